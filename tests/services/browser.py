"""The browser of the machine: the tests drive Debian's Chromium, they download none."""

from __future__ import annotations

import os
import shutil


class NoBrowser(Exception):
    """There is no Chromium. Never a reason to skip: what operators see is tested or it is not."""


def find_chromium() -> str:
    """The path of the browser that `.ci/install dev` found or installed. Raises `NoBrowser`."""
    named = os.environ.get("DC_TEST_CHROMIUM")
    for name in [named] if named else ["chromium", "chromium-browser", "google-chrome"]:
        if path := shutil.which(name):
            return path
    raise NoBrowser(f"No Chromium at {named}." if named else "No Chromium on PATH: run make test, or .ci/install dev.")
