"""Process trees as nobody wants them: forked, detached, deaf, with closed descriptors. Generated from a seed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from apps.runtime.supervision.tree import look_at

MOST_NODES = 12
WAYS = ("fork", "setsid", "double_fork", "group")

Node = dict[str, Any]


def generate(seed: int) -> Node:
    """A tree of at most twelve processes; the root is the collector."""
    chance = random.Random(seed)
    left = chance.randint(1, MOST_NODES) - 1

    def node(depth: int) -> Node:
        nonlocal left
        made: Node = {
            "way": chance.choice(WAYS),
            "deaf": chance.random() < 0.4,
            "closes": chance.random() < 0.3,
            # Some end early and leave their children to whoever takes them.
            "lives_s": 600 if depth == 0 or chance.random() < 0.7 else chance.choice([0.0, 0.05]),
            "children": [],
        }
        while left > 0 and len(made["children"]) < 4 and (depth == 0 or chance.random() < 0.6):
            left -= 1
            made["children"].append(node(depth + 1))
        return made

    return node(0)


def size(node: Node) -> int:
    """How many processes a tree has."""
    return 1 + sum(map(size, node["children"]))


def grow(node: Node, register: str) -> None:
    """Be this node: register, start the children, live."""
    if node["deaf"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _register(register)
    for child in node["children"]:
        _start(child, register)
    if node["closes"]:
        os.closerange(0, 256)
    time.sleep(node["lives_s"])


def _start(node: Node, register: str) -> None:
    if os.fork():
        return
    if node["way"] == "setsid":
        os.setsid()
    elif node["way"] == "group":
        os.setpgid(0, 0)
    elif node["way"] == "double_fork":
        os.setsid()
        if os.fork():
            os._exit(0)
    try:
        grow(node, register)
    finally:
        os._exit(0)


def _register(register: str) -> None:
    me = look_at(os.getpid())
    assert me is not None
    fd = os.open(register, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, json.dumps([me.pid, me.started]).encode() + b"\n")
    os.close(fd)


def registered(register: Path) -> list[tuple[int, int]]:
    """Every process that a tree has had: (pid, start time)."""
    if not register.exists():
        return []
    return [tuple(json.loads(line)) for line in register.read_text().splitlines()]


def is_full(register: Path, tree: Node) -> bool:
    """Whether every process of a tree has registered."""
    return len(registered(register)) == size(tree)


def alive(register: Path) -> list[int]:
    """The pids of those that live."""
    return [pid for pid, started in registered(register) if lives(pid, started)]


def named(word: str) -> list[int]:
    """The pids of all processes with this word in their command line, which is that of whoever forked them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def lives(pid: int, started: int | None = None) -> bool:
    """Whether there is such a process, and more than its exit code."""
    process = look_at(pid)
    return process is not None and not process.is_zombie and started in (None, process.started)
