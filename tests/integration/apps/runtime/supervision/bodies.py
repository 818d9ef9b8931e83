"""What collectors do in these tests. `run` is the entry of warm ones; `python -m ...bodies` is a cold one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Args = dict[str, Any]


def run(spec: Any) -> int:
    """Do what the arguments say."""
    args: Args = spec.args if hasattr(spec, "args") else spec["args"]
    return BODIES[args["do"]](args)


def say(args: Args) -> int:
    for line in args.get("out", []):
        os.write(1, line.encode("latin-1"))
    for line in args.get("err", []):
        os.write(2, line.encode("latin-1"))
    return int(args.get("code", 0))


def sleep(args: Args) -> int:
    if args.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if path := args.get("ready"):
        Path(path).write_text(str(os.getpid()))
    time.sleep(args.get("seconds", 600))
    return 0


def polite(args: Args) -> int:
    """Ends by itself when it is asked."""

    def end(*_: object) -> None:
        if path := args.get("asked"):
            Path(path).touch()
        sys.exit(143)

    signal.signal(signal.SIGTERM, end)
    return sleep(args)


def killed(args: Args) -> int:
    os.kill(os.getpid(), args["signal"])
    return 0


def fail(args: Args) -> int:
    raise ValueError(args["text"])


def spin(args: Args) -> int:
    while True:
        pass


def hoard(args: Args) -> int:
    held = []
    while True:
        held.append(os.urandom(1_000_000) * 4)
        time.sleep(0.01)


def breed(args: Args) -> int:
    """Many processes, at most as many as it says."""
    for _ in range(args["processes"]):
        if os.fork() == 0:
            time.sleep(600)
    time.sleep(600)
    return 0


def bomb(args: Args) -> int:
    """A fork bomb with a bottom: every process forks two more, so many levels deep."""
    for level in range(args["levels"]):
        for _ in range(2):
            if os.fork() == 0:
                break
        else:
            break
        del level
    time.sleep(600)
    return 0


def descriptors(args: Args) -> int:
    found = {}
    for path in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            found[int(path.name)] = str(path.readlink())
    Path(args["path"]).write_text(json.dumps(found))
    time.sleep(args.get("seconds", 0))
    return 0


def facts(args: Args) -> int:
    names = [signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGINT]
    handlers = [signal.getsignal(number) for number in names]
    facts_ = {
        "default": [handler in (signal.SIG_DFL, signal.default_int_handler) for handler in handlers],
        "mask": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "group": os.getpgid(0) == os.getpid(),
        "stdin": sys.stdin.read() if args.get("stdin") else "",
        "threads": len(list(Path("/proc/self/task").iterdir())),
    }
    Path(args["path"]).write_text(json.dumps(facts_))
    return 0


def long_line(args: Args) -> int:
    piece = b"a" * 1_000_000
    for _ in range(args["megabytes"]):
        os.write(1, piece)
    os.write(1, b"\nthe next line\n")
    return 0


def flood(args: Args) -> int:
    number = 0
    while True:
        os.write(1, b"".join(b"%d\n" % n for n in range(number, number + 1000)))
        number += 1000


def holds_pipe(args: Args) -> int:
    """Leaves a child that ignores TERM and keeps the pipes open."""
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    print("the parent goes", flush=True)
    return 0


def exits_late(args: Args) -> int:
    """A thread and an exit function that have something to say still."""
    import atexit
    import threading

    def work() -> None:
        time.sleep(0.3)
        print("said by the thread")

    threading.Thread(target=work).start()
    atexit.register(print, "said at the end")
    return 0


def shell(args: Args) -> int:
    return subprocess.call(["sh", "-c", args["script"]])


def tree(args: Args) -> int:
    """Grow the process tree that `trees.py` generated."""
    from tests.integration.apps.runtime.supervision.trees import grow

    grow(args["tree"], args["register"])
    return 0


BODIES: dict[str, Callable[[Args], int]] = {
    body.__name__: body
    for body in (
        *(say, sleep, polite, killed, fail, spin, hoard, breed, bomb, descriptors, facts, long_line, flood),
        *(holds_pipe, exits_late, shell, tree),
    )
}

if __name__ == "__main__":
    sys.exit(run(json.load(sys.stdin)))
