"""What one can ask to be told about, what of the database it depends on, and the permission it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

#: Parts of what is read (`snapshot.py`).
RUNS, COMMANDS, APPS, MANAGERS = "runs", "commands", "apps", "managers"


@dataclass(frozen=True, slots=True)
class Kind:
    """A topic of a name, or one for each row."""

    permission: str
    parts: frozenset[str]


#: Topics that are about many rows. Whoever adds a page that changes by itself adds its topic here.
LISTS: dict[str, Kind] = {
    "home": Kind("runtime.view_runtime", frozenset({RUNS, COMMANDS, APPS, MANAGERS})),
    "apps": Kind("registry.view_app", frozenset({RUNS, COMMANDS, APPS})),
    "runs": Kind("runtime.view_runtime", frozenset({RUNS})),
    "timeline": Kind("runtime.view_runtime", frozenset({RUNS})),
    "commands": Kind("runtime.view_command", frozenset({COMMANDS})),
    "managers": Kind("runtime.view_node", frozenset({MANAGERS})),
    "system": Kind("runtime.view_node", frozenset({MANAGERS})),
}
#: Topics about one row, `app:<id>` and `run:<id>`: permission, and how an id looks.
ROWS: dict[str, tuple[str, re.Pattern[str]]] = {
    "app": ("registry.view_app", re.compile(r"[1-9][0-9]{0,17}")),
    "run": ("runtime.view_runtime", re.compile(r"[0-9a-f]{32}")),
}
PERMISSIONS = frozenset({kind.permission for kind in LISTS.values()} | {permission for permission, _ in ROWS.values()})


@dataclass(frozen=True, slots=True)
class Topic:
    """One of them. `key` is empty where it is about many rows."""

    name: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.key}" if self.key else self.name

    @property
    def permission(self) -> str:
        """What one needs to be told."""
        return ROWS[self.name][0] if self.key else LISTS[self.name].permission

    @property
    def parts(self) -> frozenset[str]:
        """What of the database it depends on."""
        if not self.key:
            return LISTS[self.name].parts
        return frozenset({RUNS, COMMANDS}) if self.name == "app" else frozenset()


def topic_of(text: Any) -> Topic | None:
    """The topic of this name; None when there is none."""
    if not isinstance(text, str):
        return None
    name, colon, key = text.partition(":")
    if not colon:
        return Topic(name) if name in LISTS else None
    return Topic(name, key) if name in ROWS and ROWS[name][1].fullmatch(key) else None
