"""Says numbered lines and enters each into a ledger that outlives it; alone of its app, or it tells."""

import fcntl
import os
import time
from pathlib import Path

from pydantic import BaseModel

from collectors.contract import Context, Ending, Outcome


class Args(BaseModel):
    folder: Path
    lines: int = 60
    pause_s: float = 0.04


def main(context: Context) -> Outcome:
    folder = context.args.folder
    key = os.open(folder / context.app.code, os.O_WRONLY | os.O_CREAT)
    try:
        # The kernel gives it back with the death of this process, and never earlier.
        fcntl.flock(key, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _append(folder / "doubles", f"{context.app.code} {context.runtime_id}")
    _append(folder / f"{context.runtime_id}.pids", f"{os.getpid()} {os.getppid()}")
    for number in range(context.args.lines):
        if context.stop_requested:
            return Outcome(ending=Ending.STOPPED, complete=False)
        context.log.info("line.said", number=number)
        _append(folder / f"{context.runtime_id}.ledger", str(number))
        time.sleep(context.args.pause_s)
    return Outcome()


def _append(path: Path, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{line}\n".encode())
    os.fsync(file)
    os.close(file)
