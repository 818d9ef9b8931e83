"""Whether the code or the settings have changed since a process was started from them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Looked at so often at most, and never for more than this share of the time.
EVERY_S, SHARE = 3.0, 0.02


class Fingerprint:
    """Of every Python file below some folders, and of single files."""

    def __init__(self, folders: Iterable[Path], files: Iterable[Path] = ()) -> None:
        self._folders = [str(folder) for folder in folders]
        self._files = [str(file) for file in files]
        self._next_look = 0.0
        self._value = 0

    def value(self, *, at_most_old: bool = True) -> int:
        """A number that changes with any of the files; of a few seconds ago at most."""
        begun = time.monotonic()
        if not at_most_old or begun >= self._next_look:
            self._value = hash(tuple(sorted(self._facts())))
            now = time.monotonic()
            self._next_look = now + max(EVERY_S, (now - begun) / SHARE)
        return self._value

    def _facts(self) -> Iterator[tuple[str, int, int]]:
        waiting, linked = list(self._folders), set[str]()
        while waiting:
            try:
                entries = list(os.scandir(waiting.pop()))
            except OSError:
                continue
            for entry in entries:
                if entry.name.startswith((".", "__pycache__")):
                    continue
                if entry.is_dir():
                    # A link may lead to where we come from.
                    target = os.path.realpath(entry.path) if entry.is_symlink() else ""
                    if target not in linked or not target:
                        waiting.append(entry.path)
                        linked.add(target)
                elif entry.name.endswith(".py"):
                    yield from _fact(entry.path)
        for file in self._files:
            yield from _fact(file)


def _fact(path: str) -> Iterator[tuple[str, int, int]]:
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return
    yield path, found.st_mtime_ns, found.st_size
