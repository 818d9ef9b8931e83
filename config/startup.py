"""What has to happen before Django reads its settings."""

from __future__ import annotations

import importlib
import os

from collectors.identity import BadAppCode, parse_code
from config.errors import SettingsError as StartupError

__all__ = ["StartupError", "prepare"]


def prepare(argv: list[str]) -> None:
    """Load the settings here, so that a wrong one is a line and not a stack trace. Raises `StartupError`.

    A collector started by hand needs its own room only: with thousands of rooms, importing the models of all of them
    costs seconds of CPU (docs/decisions/0003-rooms-are-django-apps.md).
    """
    if len(argv) > 2 and argv[1] == "runcollector":
        for word in argv[2:]:
            try:
                os.environ.setdefault("DC_ONLY_ROOM", parse_code(word).code)
            except BadAppCode:
                continue
            break
    importlib.import_module("config.settings")
