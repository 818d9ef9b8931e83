"""What went wrong while the code of a room was imported, in a sentence that names the author's line."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType

#: A module may raise anything, and `sys.exit()` at its top must not end the process that looks at it.
IMPORT_ERRORS = (Exception, SystemExit)


class BrokenRoom(ModuleType):
    """Stands in for the package of a room that cannot be used.

    Django looks for templates, tags, migrations and more below every Django app. What it looks for below this one is
    not there, whereas the package itself would raise again, each time.
    """

    def __init__(self, package: str, problem: str) -> None:
        super().__init__(package)
        self.problem = problem
        sys.modules[package] = self


def told(error: BaseException, folder: Path) -> str:
    """The error, with the innermost line that lies in `folder`: what happens deeper down is not the author's."""
    kind = type(error).__name__
    place = _place(error, folder)
    detail = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{f'{place}: ' if place else ''}{kind}{f': {detail}' if detail else ''}"


def _place(error: BaseException, folder: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(Path(error.filename), folder)}, line {error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(folder):
            return f"{_shown(Path(frame.filename), folder)}, line {frame.lineno}"
    return ""


def _shown(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)
