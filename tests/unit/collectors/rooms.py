"""Rooms made up for a test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAIN = "def main(context): pass\n"


def make_room(root: Path, code: str, main: str = MAIN, **files: str) -> Path:
    """A room below `root`; `models="..."` becomes its models.py, `init="..."` its __init__.py."""
    folder = root.joinpath(*code.split("."))
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(main)
    for name, text in files.items():
        (folder / f"{'__init__' if name == 'init' else name}.py").write_text(text)
    return folder


@contextmanager
def sources_left_as_they_were() -> Iterator[None]:
    """Undo what looking for rooms did to `collectors.sources` and to the table of modules."""
    package = importlib.import_module("collectors.sources")
    path, modules = list(package.__path__), set(sys.modules)
    try:
        yield
    finally:
        package.__path__[:] = path
        for name in set(sys.modules) - modules:
            if name.startswith("collectors.sources."):
                del sys.modules[name]
