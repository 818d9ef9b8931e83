"""The environment of the peers: what others do for the same task, measured in the same run, beside us.

They have a virtual environment of their own (`.cache/peers`, from `requirements/peers.txt`), made when it is first
asked for, so that nothing of theirs is in ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements" / "peers.txt"
FOLDER = ROOT / ".cache" / "peers"
#: A peer that takes longer has given up, as far as we are concerned.
SECONDS = 420


def python() -> str:
    """The interpreter of the peers; their packages are installed when they are not those that are asked for."""
    interpreter, mark = FOLDER / "bin" / "python", FOLDER / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if not mark.exists() or mark.read_text() != wanted:
        uv = str(Path(sys.executable).with_name("uv"))
        print("Installing the peers into .cache/peers", flush=True)
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(FOLDER)], check=True)
        options = ["--quiet", "--require-hashes", "--python", str(interpreter), "-r", str(REQUIREMENTS)]
        subprocess.run([uv, "pip", "install", *options], check=True)
        mark.write_text(wanted)
    return str(interpreter)


def measured(module: str, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, float] | None:
    """What `module` prints as one line of JSON; None when it gave up. Raises what it complained about."""
    command = [python(), "-m", module, *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
