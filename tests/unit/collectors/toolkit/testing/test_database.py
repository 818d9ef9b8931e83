"""The double of a database: what the real one does, without Django."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from collectors.contract import Called
from collectors.toolkit.database import (
    BadStatement,
    ConstraintViolated,
    DatabaseError,
    ReadOnlyDatabase,
    UnknownDatabase,
)
from collectors.toolkit.testing import MemoryDatabase, make_context

TABLE = "CREATE TABLE stock (isbn TEXT PRIMARY KEY, count INTEGER)"


class Book:
    natural_key: ClassVar[tuple[str, ...]] = ("isbn",)


@dataclass(frozen=True)
class Stock:
    isbn: str
    count: int


@pytest.fixture
def warehouse() -> MemoryDatabase:
    return MemoryDatabase(TABLE)


def test_statements_are_sent_and_rows_come_back(warehouse: MemoryDatabase) -> None:
    database = make_context(databases={"warehouse": warehouse}).database("warehouse")

    assert database.execute("INSERT INTO stock VALUES (%s, %s), ('b', 2)", ["a", 1]) == 2
    assert list(database.query("SELECT * FROM stock WHERE isbn = %(isbn)s", {"isbn": "a"})) == [
        {"isbn": "a", "count": 1}
    ]
    assert list(database.query("SELECT * FROM stock WHERE isbn LIKE 'b%'", into=Stock)) == [Stock("b", 2)]
    assert list(
        database.query("SELECT %s AS at, %s AS price", [datetime(2030, 1, 1, tzinfo=UTC), Decimal("9.90")])
    ) == [{"at": "2030-01-01 00:00:00+00:00", "price": "9.90"}]


def test_a_session_is_all_or_nothing_and_may_hold_another(warehouse: MemoryDatabase) -> None:
    context = make_context(databases={"warehouse": warehouse})
    database = context.database("warehouse")

    def twice() -> None:
        with database.session():
            database.execute("INSERT INTO stock VALUES ('b', 1)")
            database.execute("INSERT INTO stock VALUES ('a', 1)")

    def fails() -> None:
        with database.session():
            database.execute("DELETE FROM stock")
            database.merge(Book, [{"isbn": "a"}])
            raise ZeroDivisionError

    with database.session():
        database.execute("INSERT INTO stock VALUES ('a', 1)")
        with pytest.raises(ConstraintViolated, match=r'database "warehouse": UNIQUE.*INSERT INTO stock'):
            twice()
    with pytest.raises(ZeroDivisionError):
        fails()

    assert list(database.query("SELECT isbn FROM stock")) == [{"isbn": "a"}]
    assert context.records.rows(Book) == []


def test_a_dry_run_leaves_nothing(warehouse: MemoryDatabase) -> None:
    database = make_context(databases={"warehouse": warehouse}, dry_run=True).database("warehouse")
    assert database.execute("INSERT INTO stock VALUES ('a', 1)") == 1
    with database.session():
        database.execute("INSERT INTO stock VALUES ('b', 1)")
        assert len(list(database.query("SELECT * FROM stock"))) == 1
    assert list(database.query("SELECT * FROM stock")) == []


def test_routines_are_those_of_the_test() -> None:
    routines: dict[str, Callable[..., Any]] = {
        "refresh": lambda day: [{"day": day}],
        "count_of": lambda: 3,
        "both": lambda: Called(out={"left": 1}),
    }
    warehouse = MemoryDatabase(routines=routines)
    database = make_context(databases={"warehouse": warehouse}).database("warehouse")

    assert database.call("refresh", "monday").rows == [{"day": "monday"}]
    assert database.call("count_of").value == 3
    assert database.call("both").out == {"left": 1}
    assert Called().value is None
    assert warehouse.calls == [("refresh", ("monday",)), ("count_of", ()), ("both", ())]
    with pytest.raises(BadStatement, match='no routine "other"; the test gives it: both, count_of, refresh'):
        database.call("other")


def test_merged_rows_are_those_of_the_context(warehouse: MemoryDatabase) -> None:
    context = make_context(databases={"warehouse": warehouse})
    context.database("warehouse").merge(Book, [{"isbn": "a"}])
    assert context.records.rows(Book) == [{"isbn": "a"}]
    with pytest.raises(DatabaseError, match="not part of a context"):
        MemoryDatabase().merge(Book, [])


def test_what_goes_wrong_is_a_sentence(warehouse: MemoryDatabase) -> None:
    context = make_context(databases={"warehouse": warehouse, "archive": MemoryDatabase(TABLE, read_only=True)})
    with pytest.raises(UnknownDatabase, match=r'"other" does not exist. There are: warehouse, archive\.'):
        context.database("other")
    with pytest.raises(UnknownDatabase, match="There are no others"):
        make_context().database("other")
    with pytest.raises(ReadOnlyDatabase, match='"archive" is read only'):
        context.database("archive").execute("DELETE FROM stock")
    with pytest.raises(BadStatement, match=r"no such table: nowhere \(SELECT \* FROM nowhere\)"):
        context.database("warehouse").query("SELECT * FROM nowhere")


def test_threads_share_it(warehouse: MemoryDatabase) -> None:
    def add(number: int) -> None:
        for each in range(20):
            warehouse.execute("INSERT INTO stock VALUES (%s, 1)", [f"{number} {each}"])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warehouse.query("SELECT count(*) AS n FROM stock")) == [{"n": 80}]
