"""`manage.py deploy`: tables of a source on a further connection, made, filled and dropped."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connections, router

from apps.accounts.models import AuditEntry
from apps.databases.loading import forget
from apps.databases.models import Connection
from apps.runtime.models import State
from collectors.discovery import RoomConfig
from collectors.sources.examples.shop.books.models import Book
from tests.integration.factories import book, make_app, make_run
from tests.servers.tds.server import standing_in

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("further_connections"),
]

CODE = "examples.shop.books"
TABLE = Book._meta.db_table


@pytest.fixture(params=["sqlite", "mssql"])
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A database of its own, on which the books live; that of SQL Server is the stand-in."""
    monkeypatch.setattr(Book, "connection_alias", "warehouse")
    if request.param == "sqlite":
        place = {"name": str(tmp_path / "stock.sqlite3")}
        yield Connection.objects.create(alias="warehouse", engine="sqlite", **place)
        return
    with standing_in(tmp_path) as server:
        yield Connection.objects.create(
            alias="warehouse", engine="mssql", host="127.0.0.1", port=server.port, name="stock", user="dc",
            password="Stock-1",
        )  # fmt: skip


def deploy(*args: str, **options: Any) -> str:
    said = StringIO()
    call_command("deploy", *args, stdout=said, **options)
    return said.getvalue()


def tables() -> list[str]:
    return [name for name in connections["warehouse"].introspection.table_names() if name == TABLE]


def told() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def seed_file(folder: Path, monkeypatch: pytest.MonkeyPatch, rows: Any) -> None:
    (folder / "fixtures").mkdir()
    (folder / "fixtures" / "seed.json").write_text(rows if isinstance(rows, str) else json.dumps(rows))
    config = apps.get_app_config("examples_shop_books")
    assert isinstance(config, RoomConfig)
    monkeypatch.setattr(config, "room", replace(config.room, folder=folder))


@pytest.mark.usefixtures("warehouse")
def test_a_table_is_planned_made_and_used_where_its_model_says() -> None:
    planned = deploy("plan", CODE)
    assert planned.startswith(f"{CODE} on warehouse\n")
    assert "Create model Book" in planned
    assert tables() == []
    assert re.search(rf"CREATE TABLE .{TABLE}", deploy("plan", CODE, "--sql"))
    assert "applied" in deploy("create", CODE)
    assert tables() == [TABLE]
    assert deploy("create", CODE) == f"{CODE} on warehouse: nothing to do\n"
    assert "nothing to do" in deploy("plan", CODE)
    Book.objects.create(**book(1))
    assert router.db_for_write(Book) == "warehouse"
    assert Book.objects.using("warehouse").count() == 1
    # Nothing of the platform is made there, but Django's list of migrations and what fences merges.
    names = set(connections["warehouse"].introspection.table_names())
    assert names == {TABLE, "django_migrations", "dc_fence"}


@pytest.mark.usefixtures("warehouse")
def test_dropping_asks_says_what_goes_and_can_be_undone_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy("create", CODE)
    Book.objects.create(**book(1))
    with pytest.raises(CommandError, match="nothing was dropped"):
        deploy("drop", CODE, "--confirm", "examples")
    assert Book.objects.count() == 1
    monkeypatch.setattr("builtins.input", lambda _: CODE)
    assert f"warehouse: {TABLE}: 1 rows go" in deploy("drop", CODE)
    assert tables() == []
    deploy("recreate", CODE, "--confirm", CODE)
    assert tables() == [TABLE]
    assert Book.objects.count() == 0
    assert told() == ["tables.created", "tables.dropped", "tables.created"]
    last = AuditEntry.objects.latest("pk")
    assert (last.source, last.subject, last.details["connection"]) == ("SHELL", CODE, "warehouse")
    assert last.actor_name == getpass.getuser()
    deploy("plan", CODE)
    deploy("create", CODE)
    assert len(told()) == 3


@pytest.mark.usefixtures("warehouse")
def test_dropping_is_refused_where_it_would_hurt(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy("create", CODE)
    run = make_run(make_app(CODE), State.RUNNING)
    with pytest.raises(CommandError, match=rf"{CODE} is running \({run.pk[:8]}\): stop it first"):
        deploy("drop", CODE, "--confirm", CODE)
    run.delete()
    settings.DC_PROFILE = "production"
    with pytest.raises(CommandError, match="This is production"):
        deploy("drop", CODE, "--confirm", CODE)
    deploy("drop", CODE, "--confirm", CODE, "--force")
    settings.DC_PROFILE = "test"

    def nobody(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(CommandError, match="Nobody answers here"):
        deploy("drop", CODE)


def test_seeding_adds_what_is_not_there(warehouse: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy("create", CODE)
    rows = [{"model": "examples_shop_books.book", "fields": book(number, title="seeded")} for number in (1, 2)]
    seed_file(tmp_path, monkeypatch, json.loads(json.dumps(rows, default=str)))
    Book.objects.create(**book(1, title="collected"))
    assert deploy("seed", CODE) == f"{CODE}: 1 added\n"
    assert deploy("seed", CODE) == f"{CODE}: 0 added\n"
    assert told() == ["tables.created", "tables.seeded"]
    assert AuditEntry.objects.get(action="tables.seeded").details == {"added": 1}
    assert sorted(Book.objects.values_list("title", flat=True)) == ["collected", "seeded"]
    # A seeded row is like a collected one.
    assert all(len(sha) == 64 for sha in Book.objects.values_list("sha", flat=True))
    warehouse.is_read_only = True
    warehouse.save()
    forget("warehouse")
    with pytest.raises(CommandError, match='Connection "warehouse" is read only'):
        deploy("recreate", CODE, "--confirm", CODE)


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize(
    ("seeds", "reason"),
    [
        ("[{", "fixtures/seed.json cannot be read"),
        ([{"model": "examples_shop_books.book", "fields": {"colour": "red"}}], "fixtures/seed.json cannot be read"),
        ([{"model": "auth.group", "fields": {"name": "x"}}], "holds a row of auth.Group, which is not its own"),
    ],
)
def test_seeds_that_are_no_good_are_refused(
    seeds: Any, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("create", CODE)
    seed_file(tmp_path, monkeypatch, seeds)
    with pytest.raises(CommandError, match=reason):
        deploy("seed", CODE)
    assert Book.objects.count() == 0


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match='There is no source, parent or group "nobody"'):
        deploy("plan", "nobody")
    with pytest.raises(CommandError, match='Connection "warehouse" does not exist'):
        deploy("plan", CODE, "--connection", "warehouse")
    Connection.objects.create(alias="warehouse", engine="sqlite", name=str(tmp_path / "stock.sqlite3"))
    with pytest.raises(CommandError, match='has no tables on connection "warehouse"'):
        deploy("plan", CODE, "--connection", "warehouse")


def test_a_connection_that_was_disabled_says_so(warehouse: Connection) -> None:
    deploy("create", CODE)
    warehouse.is_enabled = False
    warehouse.save()
    forget("warehouse")
    with pytest.raises(CommandError, match='Connection "warehouse" is disabled'):
        deploy("plan", CODE)
