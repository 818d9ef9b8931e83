"""Writing a new room: complete and tested, or not at all."""

from __future__ import annotations

import keyword
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Literal, get_args

from django.conf import settings

from collectors.discovery import HOME, LONGEST_LABEL, TAKEN_LABELS, installed_rooms, source_folders
from collectors.identity import AppInfo, BadAppCode, app_info

Kind = Literal["single", "threaded", "async"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PROJECT = HOME.parent.parent
TEMPLATES = Path(__file__).parent / "scaffold"


class CannotStart(Exception):
    """The room cannot be written; the message says why, and nothing was."""


def start_collector(group: str, parent: str, app: str, *, kind: Kind = "single", into: Path | None = None) -> Path:
    """Write a room below `into` (the repository's own sources) and return its folder. Raises `CannotStart`."""
    root = _root(into)
    info = _checked_info(group, parent, app)
    folder = root / group / parent / app
    if folder.exists():
        raise CannotStart(f"{folder} exists already; choose another name, or delete it first.")
    try:
        with tempfile.TemporaryDirectory(prefix=".startcollector-", dir=root) as draft:
            _write_room(Path(draft), info, kind)
            _make_migration(Path(draft), info)
            _tidy(Path(draft))
            _move_into_place(Path(draft), root, info)
    except OSError as error:
        raise CannotStart(f"{folder} cannot be written: {(error.strerror or str(error)).lower()}.") from error
    return folder


def _root(into: Path | None) -> Path:
    allowed = source_folders()
    root = (into or HOME).expanduser().resolve()
    if root not in [folder.resolve() for folder in allowed]:
        names = ", ".join(map(str, allowed))
        raise CannotStart(f"Sources are not looked for in {root}; use one of {names}, or add it to DC_SOURCES_PATH.")
    if not root.is_dir():
        raise CannotStart(f"The folder {root} does not exist; make it first.")
    return root


def _checked_info(group: str, parent: str, app: str) -> AppInfo:
    try:
        info = app_info(group, parent, app)
    except BadAppCode as error:
        raise CannotStart(str(error)) from None
    for part in (group, parent, app):
        if keyword.iskeyword(part):
            raise CannotStart(f'"{part}" is a word of the Python language and cannot be imported; choose another name.')
    taken = {config.label: config.room.info.code for config in installed_rooms()}
    taken |= dict.fromkeys(TAKEN_LABELS, "the platform")
    if taken.get(info.label, info.code) != info.code:
        raise CannotStart(
            f'The tables of {info.code} would be named "{info.label}_...", as those of {taken[info.label]}; '
            "choose another name."
        )
    if len(info.label) > LONGEST_LABEL:
        raise CannotStart(f"Group, parent and app together may have at most {LONGEST_LABEL - 2} letters; shorten one.")
    return info


def _class_name(info: AppInfo) -> str:
    """`PricesCollector`; a class that begins with Test would be taken for a test."""
    name = "".join(map(str.capitalize, info.app.split("_"))) + "Collector"
    return f"The{name}" if name.startswith("Test") else name


def _write_room(draft: Path, info: AppInfo, kind: Kind) -> None:
    room = draft / info.group / info.parent / info.app
    site = f"{settings.DC_PUBLIC_URL or 'http://127.0.0.1:8000'}/demo/"
    names = {"code": info.code, "collector": _class_name(info), "site": site}
    for source in sorted(path for path in TEMPLATES.rglob("*") if path.is_file()):
        target = room / source.relative_to(TEMPLATES)
        if source.name.startswith("main_"):
            if source.name != f"main_{kind}.py.tpl":
                continue
            target = room / "main.py.tpl"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        if target.suffix == ".tpl":
            target, text = target.with_suffix(""), Template(text).substitute(names)
        target.write_text(text, encoding="utf-8")
    # import-linter sees only what lies in packages, so the folders on the way are packages too.
    for package in (room.parent.parent, room.parent, room, room / "migrations"):
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()


def _make_migration(draft: Path, info: AppInfo) -> None:
    """Django writes it, in a process that knows the new room and no other."""
    path = os.pathsep.join([str(draft), os.environ.get("DC_SOURCES_PATH", "")]).strip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-m", "django", "makemigrations", info.label, "--no-header", "--verbosity=0"],
        cwd=PROJECT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
            "DC_SOURCES_PATH": path,
            "DC_ONLY_ROOM": info.code,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if (
        done.returncode != 0
        or not (draft / info.group / info.parent / info.app / "migrations/0001_initial.py").exists()
    ):
        reason = (done.stderr.strip().splitlines() or ["makemigrations said nothing"])[-1]
        raise CannotStart(f"The migration of {info.code} cannot be made: {reason}")


def _tidy(draft: Path) -> None:
    """Leave no byte code behind; where the project's formatter is installed, what Django wrote goes through it."""
    for cache in list(draft.rglob("__pycache__")):
        shutil.rmtree(cache)
    if find_spec("ruff") is not None:
        rules = PROJECT / "pyproject.toml"
        subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--quiet", "--no-cache", "--config", str(rules), str(draft)],
            check=False,
        )


def _move_into_place(draft: Path, root: Path, info: AppInfo) -> None:
    """One rename: of the first folder on the way that does not exist yet."""
    way = Path()
    for part in (info.group, info.parent, info.app):
        way /= part
        if not (root / way).exists():
            break
    (draft / way).rename(root / way)
