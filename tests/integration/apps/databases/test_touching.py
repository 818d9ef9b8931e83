"""What a run touches, from its statements to the pages."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections, transaction
from pytest_django import DjangoAssertNumQueries

from apps.core.clock import utc_now
from apps.databases.loading import use
from apps.databases.models import AppDbObject, Connection
from apps.databases.objects import objects_of, record_touches
from apps.databases.touching import Touched, Touching, note
from apps.records.router import data_alias
from apps.runtime.claims import open_run
from apps.runtime.interrupts import Interrupts
from apps.runtime.models import State
from apps.runtime.process import identify_self
from apps.runtime.runner import execute
from collectors.contract import Context
from collectors.sources.examples.shop.books.models import Book
from tests.integration.factories import book, books, make_app, make_run, make_source
from tests.integration.people import signed_in

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("further_connections"),
]

PAGES = "/admin/databases/appdbobject/"
TABLE = Book._meta.db_table


def told(news: list[Touched]) -> set[str]:
    return {f"{on} {kind} {done} {name}" for one in news for on, name, kind, done in objects_of(one)}


def test_statements_of_every_kind_are_seen_and_said_once(tmp_path: Path) -> None:
    Connection.objects.create(alias="warehouse", engine="sqlite", name=str(tmp_path / "stock.sqlite3"))
    news: list[Touched] = []
    touching = Touching(news.append)
    alias = data_alias()
    with touching.watching():
        list(Book.objects.filter(title="x"))
        Book.objects.create(**book(1))
        with connections[use("warehouse")].cursor() as cursor:
            cursor.execute("CREATE TABLE stock (isbn text)")
            cursor.execute("CREATE TEMP TABLE staged (isbn text)")
            cursor.execute("CREATE VIEW some AS SELECT * FROM stock")
            cursor.executemany("INSERT INTO stock VALUES (%s)", [("1",), ("2",)])
            cursor.execute("INSERT INTO staged SELECT isbn FROM some")
            with pytest.raises(DatabaseError):
                cursor.execute("SELECT * FROM nowhere")
        note(alias, TABLE, "delete")
        touching.tell()
        list(Book.objects.filter(title="y"))
    assert told(news) == {
        *(f"{alias} table {done} {TABLE}" for done in ("select", "insert", "delete")),
        "warehouse table insert stock",
        "warehouse view select some",
    }
    shapes = [(one.connection, shape) for one in news for shape in one.shapes if "TEMP" not in shape]
    assert len(shapes) == len(set(shapes))
    Book.objects.count()
    # Nobody listens any more.
    note(alias, "late", "insert")
    assert all(touching._wrap not in connection.execute_wrappers for connection in connections.all())


def test_routines_are_told_from_functions_of_the_database() -> None:
    connection = connections[data_alias()]
    if connection.vendor != "postgresql":
        assert connection.vendor == "sqlite"  # which has none
        return
    news: list[Touched] = []
    with connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION price_of(x integer) RETURNS integer LANGUAGE sql RETURN x + 1")
        try:
            with Touching(news.append).watching():
                cursor.execute("SELECT price_of(%s), lower(%s), pg_backend_pid()", [1, "x"])
        finally:
            cursor.execute("DROP FUNCTION price_of(integer)")
    assert told(news) == {f"{data_alias()} routine call price_of"}


def test_nothing_is_asked_inside_of_somebodys_transaction() -> None:
    news: list[Touched] = []
    touching = Touching(news.append)
    asked: list[str] = []

    def watch(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        asked.append(sql)
        return execute(sql, params, many, context)

    with touching.watching(), transaction.atomic(using=data_alias()):
        list(Book.objects.all())
        with connections[data_alias()].execute_wrapper(watch):
            touching.tell()
    assert asked == []
    assert told(news) == {f"{data_alias()} table select {TABLE}"}


def test_the_map_is_kept_up_to_date() -> None:
    app, run = make_app(), make_run(make_app("a.b.other"))
    first, later = utc_now() - timedelta(days=1), utc_now()
    for at in (first, later):
        touched = [("data", "stock", "table", "insert"), ("data", "rates", "view", "select")]
        record_touches(app.pk, run.pk, touched if at == first else touched[:1], at=at)
    record_touches(app.pk, run.pk, [("data", "stock", "table", "select")], at=later)
    stock = AppDbObject.objects.get(name="stock")
    assert (stock.insert_at, stock.select_at, stock.update_at, stock.last_run) == (later, later, None, run.pk)
    assert AppDbObject.objects.get(name="rates").select_at == first


def test_a_run_says_what_it_touched() -> None:
    def main(context: Context) -> None:
        context.records.merge(Book, books(range(3)))
        list(Book.objects.all())

    app = make_app(is_enabled=True)
    run = open_run(app, owner=identify_self(), args={}, now=utc_now())
    with Interrupts(grace_s=5) as interrupts:
        execute(run, make_source(main), args={}, interrupts=interrupts, watch=lambda pulse: None)
    assert run.state == State.SUCCEEDED, run.cause
    (found,) = AppDbObject.objects.all()
    assert (found.app_id, found.connection, found.name, found.kind) == (app.pk, data_alias(), TABLE, "table")
    assert found.select_at
    assert found.insert_at
    assert found.last_run == run.pk


def test_pages_show_both_ways(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    run = make_run(make_app("a.b.writer"), State.SUCCEEDED)
    record_touches(run.app_id, run.pk, [("data", "stock", "table", "insert")], at=utc_now())
    reader = make_app("a.b.reader")
    record_touches(reader.pk, run.pk, [("data", "stock", "table", "select")], at=utc_now())
    client = signed_in("viewer")
    page = client.get(f"{PAGES}{AppDbObject.objects.get(app=run.app).pk}/change/")
    assert "a.b.writer" in page.text
    assert "a.b.reader</a> reads" in page.text
    assert client.get(f"{PAGES}?q=a.b.reader").text.count("field-of_app") == 1
    assert client.get(f"{PAGES}?q=stock").text.count("field-of_app") == 2
    for _ in range(2):
        with django_assert_num_queries(7):
            client.get(PAGES)
        record_touches(run.app_id, run.pk, [("data", "more", "table", "insert")], at=utc_now())


def test_dropping_names_who_else_uses_it() -> None:
    record_touches(make_app("a.b.reader").pk, "r" * 32, [(data_alias(), TABLE, "table", "select")], at=utc_now())
    said = StringIO()
    with pytest.raises(CommandError, match="nothing was dropped"):
        call_command("deploy", "drop", "examples.shop.books", "--confirm", "x", stdout=said)
    assert "also used by a.b.reader (reads)" in said.getvalue()
