"""From a request to the first line of collector code on `make up`: prints the milliseconds of each run as JSON.

A program of its own, because a process has one set of settings: `benchmarks.runs` starts it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
START_S = 120.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(process: subprocess.Popen[bytes], output: Path) -> None:
    """Until the platform says how it is stopped. Raises `SystemExit`."""
    deadline = time.monotonic() + START_S
    while "Stop everything:" not in output.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The platform did not start: {output.read_text()}")
        time.sleep(0.2)


def time_runs(rounds: int) -> list[float]:
    """Milliseconds from each request to the first line, of one run after the other."""
    import django

    django.setup()
    from benchmarks.runs import first_line_of, has_ended, make_app, start, until

    app, took = make_app(), []
    time.sleep(5)
    for _ in range(rounds):
        run, _, accepted = start(app)
        until(lambda run=run: has_ended(run), f"the end of run {run.pk}")  # type: ignore[misc]
        took.append(1000 * (first_line_of(run) - accepted))
    return took


def main() -> None:
    """Start the platform in a folder of its own, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="dc-up-") as folder:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
        os.environ.clear()
        os.environ |= {
            **inherited,
            "DC_PROFILE": "embedded",
            "DC_DATA_DIR": str(Path(folder) / "data"),
            "DC_WEB_PORT": str(free_port()),
            "DC_SOURCES_PATH": str(ROOT / "tests" / "rooms"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        output = Path(folder) / "output"
        with output.open("wb") as file:
            process = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, stdout=file, stderr=file)
        try:
            wait_until_up(process, output)
            print(json.dumps(time_runs(int(sys.argv[1]))))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


if __name__ == "__main__":
    main()
