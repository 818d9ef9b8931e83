"""What starting costs: the commands, the whole platform a second time, and one run by hand.

CPU seconds are user plus system time of the process and its children, the median of several rounds.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Figure, publish

ROOT = Path(__file__).parent.parent
COMMAND = "make bench SECTION=startup"
ROUNDS = 3 if os.environ.get("QUICK") else 7


def cpu_of(argv: Sequence[str], env: dict[str, str]) -> float:
    """CPU seconds of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median_cpu(argv: Sequence[str], env: dict[str, str]) -> float:
    """The median over the rounds, after one that warms the disk cache."""
    cpu_of(argv, env)
    return statistics.median(cpu_of(argv, env) for _ in range(ROUNDS))


def seconds_until_ready(env: dict[str, str]) -> float:
    """From `manage.py up` to its login link."""
    start = time.monotonic()
    argv = [sys.executable, "manage.py", "up"]
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ready"):
                break
        took = time.monotonic() - start
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    return took


def main() -> int:
    """Measure and publish."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        env = {**os.environ, "DC_PROFILE": "embedded", "DC_DATA_DIR": folder, "DC_WEB_PORT": str(port)}
        bare = median_cpu(["-c", "import django"], env)
        check = median_cpu(["manage.py", "check"], env)
        seconds_until_ready(env)
        second_start = seconds_until_ready(env)
        collect = median_cpu(["manage.py", "runcollector", "examples.debian.python_docs", "--limit", "1"], env)
    figures = [
        Figure(
            measure="manage.py check, CPU",
            ours=check,
            unit="s",
            target="< 1.5 s",
            ok=check < 1.5,
            n=ROUNDS,
            command=COMMAND,
            limit=bare,
            ratio=check / bare,
        ),
        Figure(
            measure="manage.py up, second start until ready",
            ours=second_start,
            unit="s",
            target="< 15 s",
            ok=second_start < 15,
            n=1,
            command=COMMAND,
        ),
        Figure(
            measure="runcollector by hand, one item, CPU",
            ours=collect,
            unit="s",
            target="none yet",
            ok=True,
            n=ROUNDS,
            command=COMMAND,
            limit=bare,
            ratio=collect / bare,
        ),
    ]
    return 0 if publish("startup", figures) else 1


if __name__ == "__main__":
    sys.exit(main())
