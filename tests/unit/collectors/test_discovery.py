from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from collectors.discovery import (
    HOME,
    LONGEST_LABEL,
    TAKEN_LABELS,
    RoomConfig,
    find_rooms,
    room_configs,
    source_folders,
    unreadable_folders,
)
from tests.unit.collectors.rooms import make_room, sources_left_as_they_were

PROJECT = HOME.parent.parent


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with sources_left_as_they_were():
        yield tmp_path


def made_up(root: Path, *further: Path, only: str | None = None) -> list[str]:
    """The codes of the rooms below these folders."""
    rooms = find_rooms([root, *further], only=only)
    return [room.info.code for room in rooms if not room.folder.is_relative_to(HOME)]


def test_the_rooms_of_the_repository_are_found() -> None:
    rooms = {room.info.code: room for room in find_rooms()}

    assert rooms["examples.shop.books"].folder == HOME / "examples/shop/books"
    assert rooms["examples.shop.books"].label == "examples_shop_books"
    assert all(not room.problem for room in rooms.values())


def test_rooms_outside_the_repository_are_found_sorted_by_code(root: Path) -> None:
    make_room(root, "found.b.x")
    make_room(root, "found.a.y")

    assert made_up(root) == ["found.a.y", "found.b.x"]
    assert root in source_folders()


def test_only_folders_with_a_main_three_deep_are_rooms(root: Path) -> None:
    make_room(root, "found.a.x")
    make_room(root, "found.b.x.deeper")
    (root / "found/c/empty").mkdir(parents=True)
    for odd in ("found/a/Upper", "found/a/__pycache__", ".hidden/a/x", "found/a/with-dash"):
        (root / odd).mkdir(parents=True)
        (root / odd / "main.py").touch()

    assert made_up(root) == ["found.a.x"]


def test_the_first_of_two_equal_rooms_counts(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    make_room(root, "found.a.x")
    make_room(other, "found.a.x")
    make_room(other, "examples.shop.books")

    rooms = {room.info.code: room for room in find_rooms([root, other])}

    assert rooms["found.a.x"].folder == root / "found/a/x"
    assert rooms["examples.shop.books"].folder == HOME / "examples/shop/books"


def test_a_group_may_span_folders(root: Path) -> None:
    """`examples/__init__.py` stands in the repository, which hides the rest of the world from Python."""
    make_room(root, "examples.shop.outside", init="")

    config = next(c for c in room_configs(find_rooms([root])) if c.room.info.app == "outside")

    assert config.import_error == ""
    assert config.module is not None
    assert config.module.__file__ == str(root / "examples/shop/outside/__init__.py")


def test_a_folder_that_does_not_exist_has_no_rooms(root: Path) -> None:
    assert made_up(root / "nowhere") == []


def test_a_file_among_the_folders_is_no_room(root: Path) -> None:
    (root / "found").write_text("")

    assert made_up(root) == []


def test_one_room_alone_is_found_without_the_others(root: Path) -> None:
    make_room(root, "found.a.x")
    make_room(root, "found.a.y")

    assert [room.info.code for room in find_rooms([root], only="found.a.y")] == ["found.a.y"]
    assert find_rooms([root], only="found.a.z") == []


def clash(root: Path, only: str | None = None) -> dict[str, Any]:
    make_room(root, "a_b.c.d")
    make_room(root, "a.b_c.d")
    return {room.info.code: room for room in find_rooms([root], only=only)}


def test_of_two_rooms_with_one_label_the_later_is_set_aside(root: Path) -> None:
    rooms = clash(root)

    assert (rooms["a.b_c.d"].label, rooms["a.b_c.d"].problem) == ("a_b_c_d", "")
    assert rooms["a_b.c.d"].label != "a_b_c_d"
    assert rooms["a_b.c.d"].problem == ('Its tables would be named "a_b_c_d_...", as those of a.b_c.d: rename one.')


@pytest.mark.parametrize(("code", "has_problem"), [("a_b.c.d", True), ("a.b_c.d", False)])
def test_a_room_alone_still_knows_that_its_label_is_taken(root: Path, code: str, has_problem: bool) -> None:
    room = clash(root, only=code)[code]

    assert bool(room.problem) is has_problem


def test_a_label_of_the_platform_is_taken(root: Path) -> None:
    make_room(root, "django.celery.beat")

    room = next(room for room in find_rooms([root]) if room.info.group == "django")

    assert "as those of the platform" in room.problem


def test_every_label_of_the_platform_that_a_room_could_have_is_known() -> None:
    labels = {config.label for config in apps.get_app_configs() if not isinstance(config, RoomConfig)}

    assert {label for label in labels if label.count("_") >= 2} == TAKEN_LABELS


def test_a_label_that_django_cannot_keep_is_refused(root: Path) -> None:
    make_room(root, ".".join(["x" * 40, "y" * 40, "z" * 18]))
    make_room(root, ".".join(["x" * 40, "y" * 40, "z" * 19]))

    rooms = [room for room in find_rooms([root]) if room.info.group == "x" * 40]

    assert [bool(room.problem) for room in rooms] == [False, True]
    assert all(len(room.label) <= LONGEST_LABEL for room in rooms)


def test_a_room_is_text_for_tools_that_expect_text() -> None:
    rooms = [app for app in room_configs(find_rooms()) if app.room.info.app == "books"]

    assert json.loads(json.dumps(rooms)) == ["collectors.sources.examples.shop.books"]


@contextmanager
def unreadable(folder: Path) -> Iterator[None]:
    """For root nothing is unreadable, so root becomes somebody else for a moment."""
    folder.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield
    folder.chmod(0o700)


def test_a_folder_that_cannot_be_listed_stops_nobody_and_is_named(root: Path) -> None:
    make_room(root, "found.a.x")
    find_rooms([root])

    with unreadable(root):
        assert made_up(root) == []
        assert unreadable_folders() == [root]


# -- Broken rooms: a process of its own, because Django is set up once -------------------------------------------------

HALF_A_MODELS_MODULE = """
from django.db import models
from apps.registry.models import App

class Half(models.Model):
    app = models.ForeignKey(App, on_delete=models.CASCADE)
    other = models.ForeignKey("registry.Missing", on_delete=models.CASCADE, related_name="+")
    third = models.ForeignKey("Later", on_delete=models.CASCADE)
    many = models.ManyToManyField("accounts.User")

boom
"""

WHOLE_MODELS_MODULE = """
from django.db import models
from apps.records.models import DataTable

class Thing(DataTable):
    natural_key = ("name",)
    name = models.CharField(max_length=10)
"""

REPORT = """
import json, django
django.setup()
from django.apps import apps
from django.core import checks
from django.db.migrations.loader import MigrationLoader
from collectors.discovery import installed_rooms
from apps.accounts.models import User
from apps.registry.models import App
print(json.dumps({
    "errors": {c.room.info.code: c.import_error for c in installed_rooms()},
    "models": {c.room.info.code: [m.__name__ for m in c.get_models()] for c in installed_rooms()},
    "waiting": [str(key) for key in apps._pending_operations],
    "accessors": [name for model in (App, User) for name in dir(model) if "half" in name],
    "related": [f.name for model in (App, User) for f in model._meta.get_fields() if "half" in f.name],
    "checks": [[m.id, m.level, m.msg] for m in checks.run_checks()],
    "migrated": sorted(MigrationLoader(None).migrated_apps),
}))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Django looks like with a folder full of broken rooms and one good one."""
    root = tmp_path_factory.mktemp("rooms")
    make_room(root, "bad.init.x", init="import nonsense_lib")
    make_room(root, "bad.exits.x", init="import sys; sys.exit(3)")
    half = make_room(root, "bad.models.x", models=HALF_A_MODELS_MODULE)
    (half / "migrations").mkdir()
    (half / "migrations/__init__.py").touch()
    make_room(root, "bad.key.x", models=WHOLE_MODELS_MODULE.replace('("name",)', '("nonsense",)'))
    make_room(root, "bad.syntax.x", models="class Thing(:\n")
    make_room(root, "badgroup.one.x")
    (root / "badgroup/__init__.py").write_text("1/0")
    make_room(root, "fine.one.x", models=WHOLE_MODELS_MODULE)
    done = subprocess.run(
        [sys.executable, "-c", REPORT],
        cwd=PROJECT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DC_SOURCES_PATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("bad.init.x", "__init__.py, line 1: ModuleNotFoundError: No module named 'nonsense_lib'"),
        ("bad.exits.x", "__init__.py, line 1: SystemExit: 3"),
        ("bad.models.x", "models.py, line 11: NameError: name 'boom' is not defined"),
        (
            "bad.key.x",
            (
                'models.py, line 5: ImproperlyConfigured: Thing: "nonsense" is named as a key, scope or unhashed field,'
                " but is no field."
            ),
        ),
        ("bad.syntax.x", "models.py, line 1: SyntaxError: invalid syntax"),
        ("badgroup.one.x", "__init__.py, line 1: ZeroDivisionError: division by zero"),
        ("fine.one.x", ""),
    ],
)
def test_a_room_says_what_is_wrong_with_it(report: dict[str, Any], code: str, error: str) -> None:
    assert report["errors"][code] == error


def test_a_broken_room_has_no_models_and_a_good_one_keeps_them(report: dict[str, Any]) -> None:
    assert report["models"]["bad.models.x"] == []
    assert report["models"]["fine.one.x"] == ["Thing"]


def test_nothing_of_half_a_models_module_remains(report: dict[str, Any]) -> None:
    assert (report["waiting"], report["accessors"], report["related"]) == ([], [], [])


def test_a_broken_room_is_a_warning_and_never_an_error(report: dict[str, Any]) -> None:
    warned = {message.split()[2] for id_, _, message in report["checks"] if id_ == "registry.W001"}

    assert warned == {code for code, error in report["errors"].items() if error}
    assert [message for id_, level, message in report["checks"] if level >= 40] == []


def test_a_broken_room_takes_no_part_in_migrations(report: dict[str, Any]) -> None:
    """Its models are unknown, so Django would offer to drop their tables."""
    assert "bad_models_x" not in report["migrated"]
    assert "examples_shop_books" in report["migrated"]
