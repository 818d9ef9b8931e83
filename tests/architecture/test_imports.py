"""Every contract of .importlinter is seen to refuse what it is there to refuse."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.project import CODE, ROOT, copy_of

ROOM = "collectors/sources/planted/here/one"


@dataclass(frozen=True, slots=True)
class Plant:
    """A line that breaks a contract, at the end of a file of the copy (or in a new one)."""

    contract: str
    file: str
    line: str

    def __str__(self) -> str:
        return f"{self.contract}: {self.file}: {self.line}"


PLANTS = (
    Plant("layers", "apps/core/clock.py", "import apps.registry.models"),
    Plant("layers", "apps/registry/planted.py", "from apps.runtime import models"),
    Plant("layers", "apps/api/planted.py", "import apps.registry.models"),
    Plant("layers", "apps/runtime/planted.py", "import apps.console"),
    Plant("layers", "apps/records/planted.py", "import collectors.sources"),
    Plant("layers", "collectors/toolkit/planted.py", "import collectors.loader"),
    Plant("layers", "collectors/loader.py", "import collectors.discovery"),
    Plant("layers", "collectors/contract.py", "import collectors.toolkit.errors"),
    Plant("toolkit-is-pure", "collectors/toolkit/planted.py", "import django.db"),
    Plant("toolkit-is-pure", "collectors/toolkit/planted.py", "from apps.core import clock"),
    Plant("toolkit-is-pure", "collectors/contract.py", "import django"),
    Plant("toolkit-is-pure", "collectors/identity.py", "import config.settings"),
    Plant("discovery-knows-no-app", "collectors/loader.py", "import apps.core.clock"),
    Plant("discovery-knows-no-app", "collectors/discovery.py", "import config.settings"),
    Plant("rooms-are-independent", f"{ROOM}/main.py", "from collectors.sources.planted.here.two import main"),
    Plant("rooms-are-independent", f"{ROOM}/main.py", "import collectors.sources.planted.there.three.models"),
    Plant("rooms-use-records-and-core", f"{ROOM}/main.py", "from apps.runtime import models"),
    Plant("rooms-use-records-and-core", f"{ROOM}/models.py", "from apps.registry.models import App"),
    Plant("rooms-use-records-and-core", f"{ROOM}/parser.py", "from collectors import discovery"),
    Plant("nobody-imports-config", "apps/core/planted.py", "from config.settings.env import get_settings"),
    Plant("nobody-imports-config", f"{ROOM}/main.py", "import config"),
)


def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser


def lint(project: Path, *contract: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    chosen = [f"--contract={name}" for name in contract]
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache", *chosen],
        cwd=project,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the product, with three rooms more."""
    copied = copy_of(tmp_path_factory.mktemp("project"), *CODE, ".importlinter")
    for room in ("planted/here/one", "planted/here/two", "planted/there/three"):
        folder = copied / "collectors/sources" / room
        folder.mkdir(parents=True)
        for package in (folder, folder.parent, folder.parent.parent):
            (package / "__init__.py").touch()
        for name in ("main.py", "models.py", "parser.py"):
            (folder / name).touch()
    return copied


@contextmanager
def planted(project: Path, plant: Plant) -> Iterator[None]:
    file = project / plant.file
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{plant.line}\n")
    try:
        yield
    finally:
        file.unlink() if before is None else file.write_text(before)


def test_the_product_keeps_every_contract(copy: Path) -> None:
    done = lint(copy)

    assert "0 broken" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("plant", PLANTS, ids=str)
def test_a_wrong_import_is_refused(copy: Path, plant: Plant) -> None:
    name = contracts()[f"importlinter:contract:{plant.contract}"]["name"]

    with planted(copy, plant):
        done = lint(copy, plant.contract)

    assert done.returncode != 0
    assert f"{name} BROKEN" in done.stdout, done.stdout + done.stderr


def test_a_room_may_import_records_and_core(copy: Path) -> None:
    lines = "import apps.records.models, apps.core.clock, collectors.contract, collectors.toolkit.errors"

    with planted(copy, Plant("", f"{ROOM}/main.py", lines)):
        done = lint(copy)

    assert "0 broken" in done.stdout, done.stdout + done.stderr


def test_every_contract_has_a_plant() -> None:
    named = {section.rpartition(":")[2] for section in contracts().sections() if ":contract:" in section}

    assert {plant.contract for plant in PLANTS} == named


def test_every_app_has_its_place_in_the_layers() -> None:
    layers = contracts()["importlinter:contract:layers"]["layers"]
    places = {word.strip("()") for word in layers.replace("|", " ").split()}

    missing = [path.parent.name for path in (ROOT / "apps").glob("*/__init__.py")]

    assert [app for app in missing if f"apps.{app}" not in places] == []


def test_every_folder_on_the_way_to_a_room_is_a_package() -> None:
    """The linter does not see what lies in a folder without `__init__.py`."""
    sources = ROOT / "collectors/sources"
    rooms = [main.parent for main in sources.glob("*/*/*/main.py")]
    folders = {folder for room in rooms for folder in (room, room.parent, room.parent.parent)}

    assert rooms
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
