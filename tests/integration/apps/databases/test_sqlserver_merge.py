"""The merge, the tables and the pages of SQL Server, through the driver and to the stand-in.

The statements are those that SQL Server would get, and parse as Transact-SQL. They are carried out by SQLite: locks,
collations and isolation of SQL Server are not shown here (docs/testing.md).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from apps.databases.catalogue import Catalogue
from apps.databases.database import Databases
from apps.databases.loading import use
from apps.databases.models import Connection
from apps.records.merge import Hooks, Order, merge_rows
from apps.records.models import DataTable
from apps.records.store import DjangoRecordStore
from collectors.contract import MergeResult
from collectors.toolkit.database import BadStatement
from collectors.toolkit.errors import BadRow, StorageError
from tests.integration.apps.records.tables import City, Price, Reading, city
from tests.servers.tds.server import Standin, standing_in

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("further_connections"),
]

ALIAS = "warehouse"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Standin]:
    with standing_in(tmp_path) as standin:
        yield standin


@pytest.fixture(autouse=True)
def tables(server: Standin, further_connections: None) -> None:
    Connection.objects.create(
        alias=ALIAS, engine="mssql", host="127.0.0.1", port=server.port, name="stock", user="dc", password="Stock-1"
    )
    with connections[use(ALIAS)].schema_editor() as editor:
        for model in (City, Reading, Price):
            editor.create_model(model)


def merge(rows: Any, model: type[DataTable] = City, **values: Any) -> MergeResult:
    order = {"model": model, "alias": ALIAS, "runtime_id": "a" * 32, "now": datetime.now(UTC), **values}
    return merge_rows(Order(**order), rows)


def names() -> list[str]:
    return sorted(City.objects.using(ALIAS).current().values_list("name", flat=True))


def test_the_numbers_are_those_of_every_engine() -> None:
    first = merge([city("Zagreb"), city("Split"), city("Split")])
    assert (first.seen, first.inserted, first.duplicates, first.archived) == (3, 2, 1, 0)
    second = merge([city("Zagreb", 2), city("Pula")])
    assert (second.inserted, second.archived, second.changed, second.unchanged) == (2, 2, 1, 0)
    third = merge([city("Zagreb", 2)], missing="keep")
    assert (third.unchanged, third.inserted, third.archived) == (1, 0, 0)
    fourth = merge([city("Zagreb", 2)], missing="delete")
    assert (fourth.unchanged, fourth.deleted) == (1, 1)
    assert names() == ["Zagreb"]
    assert merge([{**city("Linz"), "country": "at"}], scope={"country": "at"}).inserted == 1
    assert names() == ["Linz", "Zagreb"]


def test_values_of_every_kind_come_back_as_they_went() -> None:
    moment = datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=UTC)
    rows = [
        city("Šibenik", None, area=Decimal("53.25"), is_capital=True, height=1.5, founded=date(1066, 1, 1)),
        city("日本 🗾", 2**31 - 1, seen_at=moment, note="x" * 9000, extra={"a": [1, None]}),
    ]
    merge(rows)
    one, two = City.objects.using(ALIAS).order_by("id")
    assert (one.name, one.people, one.area, one.is_capital) == ("Šibenik", None, Decimal("53.25"), True)
    assert (one.height, one.founded, one.seen_at, one.extra) == (1.5, date(1066, 1, 1), None, None)
    assert (two.name, two.people, two.seen_at, two.note) == ("日本 🗾", 2**31 - 1, moment, "x" * 9000)
    assert two.extra == {"a": [1, None]}
    # Equal rows are untouched: what is stored has the hash of what came in.
    assert merge(rows).unchanged == 2


def test_keys_of_many_kinds_and_of_nothing_are_matched() -> None:
    moment = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    rows = [
        {"sensor": f"{number:032x}", "batch": batch, "day": date(2026, 1, 1), "taken_at": moment, "is_test": flag}
        for number, batch, flag in ((1, None, True), (1, 1, False), (2, None, False))
    ]
    assert merge([{**row, "value": 1.5} for row in rows], Reading).inserted == 3
    again = merge([{**row, "value": row["batch"] or 1.5} for row in rows], Reading)
    assert (again.unchanged, again.changed) == (2, 1)
    assert merge([{"amount": Decimal("1.10"), "currency": "EUR"}], Price).inserted == 1
    assert merge([{"amount": "1.1", "currency": "EUR"}], Price).unchanged == 1


def test_many_rows_go_over_in_few_statements(server: Standin) -> None:
    merge([city(f"city {number}") for number in range(600)])
    assert City.objects.using(ALIAS).current().count() == 600
    filled = [text for text in server.asked if text.startswith("INSERT INTO [#dc_stage]")]
    assert len(filled) == 2  # of 524 rows and less: 2,098 parameters, of which each takes four
    assert max(text.count("@P") for text in server.asked) <= 2098


def test_pages_are_cut_by_the_server(server: Standin) -> None:
    merge([city(f"city {number:02}") for number in range(30)])
    page = City.objects.using(ALIAS).current().order_by("name")[10:13]
    assert [each.name for each in page] == ["city 10", "city 11", "city 12"]
    assert server.asked[-1].endswith("OFFSET 10 ROWS FETCH FIRST 3 ROWS ONLY")


def test_older_versions_stay_readable() -> None:
    merge([city("Zagreb", 1)])
    merge([city("Zagreb", 2)])
    between = datetime.now(UTC)
    merge([city("Zagreb", 3)])
    table = City.objects.using(ALIAS)
    assert [table.as_of(moment).get().people for moment in (between, datetime.now(UTC))] == [2, 3]
    assert list(table.order_by("id").values_list("people", flat=True)) == [1, 2, 3]


@pytest.mark.parametrize("number", [1205, 1222, 3960])
def test_a_deadlock_is_tried_again_as_a_whole(server: Standin, number: int) -> None:
    merge([city("Zagreb"), city("Split")])
    server.failures.append(("UPDATE [test_city] SET archived_at", number, "Transaction was deadlocked."))
    result = merge([city("Zagreb", 2)])
    assert (result.inserted, result.archived) == (1, 2)
    assert server.failures == []
    assert names() == ["Zagreb"]


def test_another_error_is_not_tried_again_and_leaves_the_table_as_it_was(server: Standin) -> None:
    merge([city("Zagreb"), city("Split")])
    server.failures.append(("INSERT INTO [test_city]", 1105, "Could not allocate space."))
    with pytest.raises(DatabaseError, match=r"Could not allocate space\. \(1105\)"):
        merge([city("Pula")])
    assert names() == ["Split", "Zagreb"]
    assert merge([city("Pula")]).inserted == 1


def test_what_is_refused_is_refused_here_too() -> None:
    merge([city("Zagreb")])
    with pytest.raises(BadRow, match="different rows have the same key"):
        merge([city("Split", 1), city("Split", 2)])
    with pytest.raises(StorageError, match="nothing was archived"):
        merge([])

    def gate(*_: Any) -> None:
        raise StorageError("too little came")

    with pytest.raises(StorageError, match="too little came"):
        merge([city("Pula")], hooks=Hooks(gate=gate))
    assert names() == ["Zagreb"]


def test_one_current_row_for_each_key(server: Standin) -> None:
    merge([city("Zagreb")])
    merge([city("Zagreb", 2)])
    with pytest.raises(IntegrityError, match="2601"), transaction.atomic(using=ALIAS):
        City.objects.using(ALIAS).create(**city("Zagreb", 3))
    assert City.objects.using(ALIAS).count() == 2


def test_merges_of_one_table_wait_for_each_other(server: Standin) -> None:
    results: list[MergeResult] = []
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            results.append(merge([city(f"city {each}", number) for each in range(20)]))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
            errors.append(error)
        finally:
            connections[ALIAS].close()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert sorted(result.changed for result in results) == [0, 20, 20, 20]
    assert City.objects.using(ALIAS).current().count() == 20
    assert server.locks == {}


def test_the_catalogue_is_read(server: Standin) -> None:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("CREATE VIEW big AS SELECT * FROM test_city")
    assert Catalogue.read(connections[ALIAS]).views == {"big", "dbo.big"}


def test_statements_of_an_authors_own_are_sent() -> None:
    door = Databases(merge=DjangoRecordStore(runtime_id="a" * 32, dry_run=False).merge)(ALIAS)
    door.merge(City, [city("Zagreb")])
    with door.session():
        assert door.execute(
            "UPDATE test_city SET people = %(people)s WHERE name = %(name)s", {"people": 7, "name": "Zagreb"}
        )
    assert [row["people"] for row in door.query("SELECT people FROM test_city WHERE people = %s", [7])] == [7]

    def fails() -> None:
        with door.session():
            door.execute("DELETE FROM test_city")
            door.execute("SELECT * FRM test_city")

    with pytest.raises(BadStatement):
        fails()
    assert names() == ["Zagreb"]
