"""Who an app is: its code, its label, its identity, all from the folder of its room."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

#: A part of an app code: it becomes a folder, a Python package and half of a table name.
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


class BadAppCode(Exception):
    """The code is not of the form group.parent.app; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class AppInfo:
    """Who an app is, derived from the folder of its room alone."""

    group: str
    parent: str
    app: str
    identity: str
    """SHA3-256 of `group|parent|app`, 64 hex digits."""

    @property
    def code(self) -> str:
        """`group.parent.app`, the name people type."""
        return f"{self.group}.{self.parent}.{self.app}"

    @property
    def label(self) -> str:
        """`group_parent_app`, the Django app label of the room."""
        return f"{self.group}_{self.parent}_{self.app}"


def app_info(group: str, parent: str, app: str) -> AppInfo:
    """The identity of an app. Raises `BadAppCode` when a part cannot be a folder name."""
    for part in (group, parent, app):
        if not NAME.fullmatch(part):
            raise BadAppCode(
                f'"{part}" cannot be part of an app code: use small letters, digits and underscores, '
                "a letter first, at most 40 characters."
            )
    identity = hashlib.sha3_256(f"{group}|{parent}|{app}".encode()).hexdigest()
    return AppInfo(group=group, parent=parent, app=app, identity=identity)


def parse_code(code: str) -> AppInfo:
    """`"group.parent.app"` as an AppInfo. Raises `BadAppCode`."""
    parts = code.split(".")
    if len(parts) != 3:
        raise BadAppCode(f'"{code}" is not an app code: write it as group.parent.app.')
    return app_info(*parts)
