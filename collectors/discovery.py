"""Rooms on disk become Django apps; there is no list to keep.

A room is a folder `<group>/<parent>/<app>` with a `main.py`, below `collectors/sources` or below one of the folders in
`DC_SOURCES_PATH`. Its Django app label is `<group>_<parent>_<app>`, so equal leaf names do not clash. A room that
cannot be used stops nobody: it is a Django app without models that says what is wrong with it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Self

from django.apps import AppConfig, apps

from collectors.identity import NAME, AppInfo, app_info, parse_code
from collectors.mishaps import IMPORT_ERRORS, BrokenRoom, told
from collectors.unregistering import forget_models

PACKAGE = "collectors.sources"
HOME = Path(__file__).parent / "sources"

#: Labels of Django apps that a room could have too.
TAKEN_LABELS = frozenset({"django_celery_beat"})
#: Django keeps labels in columns of this width.
LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True)
class Room:
    """A room found on disk."""

    info: AppInfo
    folder: Path
    label: str
    problem: str = ""
    """Why it cannot be used, as a sentence; empty for a room that can."""

    @property
    def package(self) -> str:
        return f"{PACKAGE}.{self.info.code}"


class RoomConfig(AppConfig, str):
    """The Django app of a room. It is text too, the package, for tools that expect INSTALLED_APPS to hold text."""

    default_auto_field = "django.db.models.BigAutoField"

    def __new__(cls, room: Room) -> Self:
        return str.__new__(cls, room.package)

    def __init__(self, room: Room) -> None:
        self.room = room
        self.import_error = room.problem
        self.label = room.label
        self.path = str(room.folder)
        self.verbose_name = room.info.code
        super().__init__(room.package, self._imported())

    def _imported(self) -> ModuleType:
        if not self.import_error:
            try:
                return importlib.import_module(self.room.package)
            except IMPORT_ERRORS as error:
                self.import_error = told(error, self.room.folder)
        return BrokenRoom(self.room.package, self.import_error)

    def import_models(self) -> None:
        if not self.import_error:
            try:
                return super().import_models()
            except IMPORT_ERRORS as error:
                self.import_error = told(error, self.room.folder)
                self.module = BrokenRoom(self.room.package, self.import_error)
        # Half of a models module may have registered itself before the error: such a room has no models at all.
        registry = self.apps or apps
        forget_models(registry, self.label, self.name)
        self.models = registry.all_models[self.label]
        self.models_module = None
        return None


def find_rooms(further: Sequence[Path] = (), *, only: str | None = None) -> list[Room]:
    """The rooms of this machine, sorted by code; with `only`, that one (or none).

    A folder that appears twice counts where it is found first: the repository's own sources, then `further` in order.
    """
    sources = importlib.import_module(PACKAGE)
    sources.__path__[:] = list(dict.fromkeys([*sources.__path__, *map(str, further)]))
    codes = None if only is None else _codes_of_label(parse_code(only).label)
    found: dict[str, Room] = {}
    for root in (HOME, *further):
        for folder in _room_folders(root, codes):
            info = app_info(*folder.relative_to(root).parts)
            room = Room(info, folder, info.label)
            if info.code not in found:
                found[info.code] = room if root == HOME else _reachable(room)
    rooms = _with_unique_labels([found[code] for code in sorted(found)])
    return [room for room in rooms if only in (None, room.info.code)]


def room_configs(rooms: Sequence[Room]) -> list[RoomConfig]:
    """The entries for INSTALLED_APPS."""
    return [RoomConfig(room) for room in rooms]


def installed_rooms() -> list[RoomConfig]:
    """The Django apps of the rooms in this process."""
    return [config for config in apps.get_app_configs() if isinstance(config, RoomConfig)]


def source_folders() -> list[Path]:
    """Where rooms are looked for: the repository's own sources first, then the folders in DC_SOURCES_PATH."""
    return [Path(path) for path in importlib.import_module(PACKAGE).__path__]


def unreadable_folders() -> list[Path]:
    """Folders that may hold rooms but cannot be listed."""
    unreadable: list[Path] = []
    for root in source_folders():
        for _ in _room_folders(root, None, unreadable.append):
            pass
    return unreadable


def _codes_of_label(label: str) -> list[str]:
    """The codes that make this label: a room alone still has to know whether its label is its own."""
    words = label.split("_")
    codes = (
        ("_".join(words[:one]), "_".join(words[one:two]), "_".join(words[two:]))
        for one, two in combinations(range(1, len(words)), 2)
    )
    return [".".join(parts) for parts in codes if all(map(NAME.fullmatch, parts))]


def _room_folders(
    root: Path, codes: Sequence[str] | None, on_unreadable: Callable[[Path], None] = lambda _: None
) -> Iterator[Path]:
    if codes is not None:
        folders = [root.joinpath(*code.split(".")) for code in codes]
    else:
        folders = [root]
        for _ in range(3):
            folders = [inner for folder in folders for inner in _inner_folders(folder, on_unreadable)]
    for folder in folders:
        try:
            if (folder / "main.py").is_file():
                yield folder
        except PermissionError:
            on_unreadable(folder)


def _inner_folders(folder: Path, on_unreadable: Callable[[Path], None]) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if NAME.fullmatch(entry.name) and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        on_unreadable(folder)
        return []


def _reachable(room: Room) -> Room:
    """Let the packages of the group and the parent span the further folders too, where they have an `__init__.py`."""
    parent, group = room.folder.parent, room.folder.parent.parent
    for name, folder in (
        (f"{PACKAGE}.{room.info.group}", group),
        (f"{PACKAGE}.{room.info.group}.{room.info.parent}", parent),
    ):
        try:
            path = importlib.import_module(name).__path__
        except IMPORT_ERRORS as error:
            return replace(room, problem=told(error, folder))
        if str(folder) not in path:
            path.append(str(folder))
    return room


def _with_unique_labels(rooms: list[Room]) -> list[Room]:
    """Two codes can make one label (`a_b.c.d` and `a.b_c.d`), and labels are half of the names of tables."""
    owners: dict[str, str] = dict.fromkeys(TAKEN_LABELS, "the platform")
    result = []
    for room in rooms:
        problem = ""
        if room.label in owners:
            problem = f'Its tables would be named "{room.label}_...", as those of {owners[room.label]}: rename one.'
        elif len(room.label) > LONGEST_LABEL:
            problem = f"Its group, parent and app together are longer than {LONGEST_LABEL - 2} letters: shorten one."
        owners.setdefault(room.label, room.info.code)
        label = f"room_{room.info.identity[:16]}" if problem else room.label
        result.append(replace(room, label=label, problem=problem or room.problem))
    return result
