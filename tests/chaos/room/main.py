"""Says numbered lines and enters each into a ledger that outlives it; alone of its app, or it tells."""

import fcntl
import os
import subprocess
import time
from pathlib import Path

from pydantic import BaseModel

from collectors.contract import Context, Ending, Outcome

#: Deaf, with a session of its own, and a child that a fork left behind.
TREE = 'trap \'\' TERM; echo $$ >> "$1"; (sleep 600 & echo $! >> "$1"); exec sleep 600'


class Args(BaseModel):
    folder: Path
    lines: int = 50
    pause_s: float = 0.04
    exit_code: int = 0
    tree: bool = False


def main(context: Context) -> Outcome:
    folder = context.args.folder
    key = os.open(folder / context.app.code, os.O_WRONLY | os.O_CREAT)
    try:
        # The kernel gives it back with the death of this process, and never earlier.
        fcntl.flock(key, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _append(folder / "doubles", f"{context.app.code} {context.runtime_id}")
    us = " ".join(f"{pid} {_started(pid)}" for pid in (os.getpid(), os.getppid()))
    _append(folder / f"{context.runtime_id}.pids", us)
    if context.args.tree:
        register = str(folder / f"{context.runtime_id}.tree")
        subprocess.Popen(["setsid", "sh", "-c", TREE, "tree", register], stdin=subprocess.DEVNULL)
    for number in range(context.args.lines):
        if context.stop_requested:
            return Outcome(ending=Ending.STOPPED, complete=False)
        context.log.info("line.said", number=number)
        _append(folder / f"{context.runtime_id}.ledger", str(number))
        time.sleep(context.args.pause_s)
    if context.args.exit_code:
        os._exit(context.args.exit_code)
    return Outcome()


def _started(pid: int) -> int:
    """Clock ticks since boot: with the pid, who a process is for ever."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[19])


def _append(path: Path, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{line}\n".encode())
    os.fsync(file)
    os.close(file)
