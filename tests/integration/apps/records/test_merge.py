"""The merge on a real database: the numbers, the history, and what is refused."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction

from apps.records.models import DataTable
from apps.records.router import data_alias
from apps.records.store import DjangoRecordStore, check_tables
from collectors.contract import MergeResult
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import BadRow, MissingTable, StorageError
from tests.integration.factories import book, books

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def store(run: str = "a" * 32, *, dry_run: bool = False) -> DjangoRecordStore:
    return DjangoRecordStore(runtime_id=run, dry_run=dry_run)


def current() -> dict[str, Book]:
    return {row.isbn: row for row in Book.objects.current()}


def test_the_first_merge_inserts_and_says_who_wrote_it() -> None:
    result = store("f" * 32).merge(Book, books(range(2500)))
    assert result == MergeResult(seen=2500, inserted=2500)
    assert len(current()) == 2500
    row = current()[f"{7:013}"]
    assert (row.price, row.runtime, row.archived_at, row.archived_by) == (Decimal("9.90"), "f" * 32, None, "")
    assert len(row.sha) == 64


def test_the_second_merge_of_the_same_rows_writes_nothing_at_all() -> None:
    store().merge(Book, books(range(50)))
    before, statements = traces(), []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(re.sub(r'["#\[\]]', "", sql))
        return execute(sql, params, many, context)

    with connections[data_alias()].execute_wrapper(watch):
        result = store().merge(Book, books(range(50)))
    assert result == MergeResult(seen=50, unchanged=50)
    reading = {"SELECT", "LOCK", "SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "PRAGMA", "SET"}
    writing = [sql for sql in statements if sql.split(maxsplit=1)[0].upper() not in reading]
    verbs = r"CREATE TEMPORARY TABLE|CREATE INDEX temp\.|COPY|INSERT INTO|DROP TABLE IF EXISTS( temp\.)?"
    staging = re.compile(rf"({verbs}) ?dc_(stage|diff)(_key|_pk)?\b")
    assert [sql for sql in writing if not staging.match(sql)] == []
    assert any("dc_stage" in sql for sql in writing), "nothing was staged, so nothing was watched"
    assert traces() == before


def traces() -> Any:
    """What would differ if anything had written to the table, be it what is there already."""
    table = Book._meta.db_table
    connection = connections[data_alias()]
    with connection.cursor() as cursor:
        hidden = "ctid::text, xmin::text, " if connection.vendor == "postgresql" else ""
        cursor.execute(f"SELECT {hidden}id, sha, modified_at, archived_at FROM {table} ORDER BY id")  # noqa: S608
        return cursor.fetchall()


def test_a_changed_row_is_the_archived_old_version_and_the_new_one() -> None:
    store("1" * 32).merge(Book, books(range(3)))
    rows = [book(0), book(1, price="12.00"), book(2)]
    result = store("2" * 32).merge(Book, rows)
    assert result == MergeResult(seen=3, inserted=1, archived=1, unchanged=2)
    old, new = Book.objects.filter(isbn=f"{1:013}").order_by("id")
    assert (old.price, old.runtime, old.archived_by) == (Decimal("9.90"), "1" * 32, "2" * 32)
    assert old.archived_at is not None
    assert (new.price, new.runtime, new.archived_at) == (Decimal("12.00"), "2" * 32, None)


def test_a_row_that_is_gone_is_archived_and_one_that_comes_back_is_inserted() -> None:
    store().merge(Book, books(range(3)))
    assert store().merge(Book, books(range(2))) == MergeResult(seen=2, archived=1, unchanged=2)
    assert store().merge(Book, books(range(3))) == MergeResult(seen=3, inserted=1, unchanged=2)
    assert Book.objects.filter(isbn=f"{2:013}").count() == 2


@pytest.mark.parametrize("options", [{"complete": False}, {"missing": "keep"}])
def test_an_incomplete_merge_archives_nothing_that_is_missing(options: dict[str, Any]) -> None:
    store().merge(Book, books(range(3)))
    result = store().merge(Book, [book(0, stock=0)], **options)
    assert result == MergeResult(seen=1, inserted=1, archived=1)
    assert len(current()) == 3


def test_an_empty_result_does_not_empty_the_table() -> None:
    store().merge(Book, books(range(3)))
    with pytest.raises(StorageError, match="brought no rows while 3 are current"):
        store().merge(Book, [])
    assert len(current()) == 3


def test_the_first_empty_result_is_no_error() -> None:
    assert store().merge(Book, []) == MergeResult()


def test_equal_rows_collapse() -> None:
    rows = [book(1), book(2), book(1, price=Decimal("9.9"), title="BOOK  1")]
    assert store().merge(Book, rows) == MergeResult(seen=3, inserted=2, duplicates=1)


def test_different_rows_with_one_key_are_an_error_that_names_the_key() -> None:
    with pytest.raises(BadRow, match=f"different rows have the same key: isbn={1:013}"):
        store().merge(Book, [book(1), book(1, price="1.00")])
    assert not Book.objects.exists()


def test_a_dry_run_counts_and_writes_nothing() -> None:
    store().merge(Book, books(range(3)))
    result = store(dry_run=True).merge(Book, [book(0), book(1, price="1.00"), book(9)])
    assert result == MergeResult(seen=3, inserted=2, archived=2, unchanged=1)
    assert sorted(current()) == [f"{n:013}" for n in range(3)]
    assert Book.objects.count() == 3


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = books(range(100))
    store().merge(Book, rows)
    random.shuffle(rows)
    assert store().merge(Book, rows).unchanged == 100


def test_instances_and_generators_are_rows_too() -> None:
    def rows() -> Iterator[Any]:
        yield Book(**book(1))
        yield book(2)

    assert store().merge(Book, rows()) == MergeResult(seen=2, inserted=2)
    assert store().merge(Book, books([1, 2])).unchanged == 2


def test_a_row_saved_alone_has_the_hash_that_the_merge_gives_it() -> None:
    Book.objects.create(**{**book(1), "price": Decimal("9.90")})
    assert store().merge(Book, books([1])) == MergeResult(seen=1, unchanged=1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"price": "cheap"}, r'Row 2 of Book: "price"'),
        ({"price": "123456789.00"}, r'Row 2 of Book: "price"'),
        ({"title": "x" * 201}, r'Row 2 of Book: "title".*200'),
        ({"title": None}, r'"title" must not be empty'),
        ({"title": "a\x00b"}, r'"title" holds a NUL'),
        ({"title": "a\ud800b"}, r"Row 2 of Book cannot be hashed: .*surrogate"),
        ({"stock": -1}, r'Row 2 of Book: "stock"'),
        ({"pages": 7}, r'"pages" is not a field of this table'),
        ({"sha": "0" * 64}, r'"sha" is not a field of this table'),
    ],
)
def test_a_row_that_does_not_fit_is_named_and_nothing_is_written(values: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRow, match=words):
        store().merge(Book, [book(1), book(2, **values)])
    assert not Book.objects.exists()


def test_a_row_that_lacks_a_field_is_named() -> None:
    row = book(1)
    del row["price"]
    with pytest.raises(BadRow, match=r'Row 1 of Book: "price" is missing'):
        store().merge(Book, [row])


def test_what_is_no_row_and_what_is_no_table_is_refused() -> None:
    with pytest.raises(BadRow, match="Row 1 is a int"):
        store().merge(Book, [7])
    with pytest.raises(BadRow, match="int is not a DataTable"):
        store().merge(int, [])


def test_a_scope_that_the_table_does_not_declare_is_refused() -> None:
    with pytest.raises(StorageError, match='cannot be merged by "category"'):
        store().merge(Book, books([1]), scope={"category": "Novels"})


def test_a_scope_bounds_what_is_archived_and_what_may_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Book, "scope_fields", ("category",))
    store().merge(Book, [*books(range(3)), book(9, category="Poems")])
    result = store().merge(Book, books(range(2)), scope={"category": "Novels"})
    assert result == MergeResult(seen=2, archived=1, unchanged=2)
    assert f"{9:013}" in current()
    with pytest.raises(BadRow, match="outside the scope 'Novels'"):
        store().merge(Book, [book(9, category="Poems")], scope={"category": "Novels"})


def test_merges_of_one_transaction_stand_or_fall_together() -> None:
    records = store()
    with pytest.raises(BadRow), records.transaction():  # noqa: PT012 - the transaction is what is tested
        records.merge(Book, books(range(5)))
        records.merge(Book, [book(7, price="cheap")], missing="keep")
    assert not Book.objects.exists()
    assert records.totals == MergeResult()


def test_the_numbers_of_a_run_add_up_over_its_merges() -> None:
    records = store()
    with records.transaction():
        records.merge(Book, books(range(5)))
        records.merge(Book, books(range(5, 8)), missing="keep")
    assert records.totals == MergeResult(seen=8, inserted=8)


def test_the_database_itself_refuses_a_second_current_row_of_one_key() -> None:
    Book.objects.create(**{**book(1), "price": Decimal(1)})
    with pytest.raises(DatabaseError), transaction.atomic(using=data_alias()):
        Book.objects.create(**{**book(1), "price": Decimal(2)})
    Book.objects.create(**{**book(1), "price": Decimal(2)}, archived_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_merges_at_the_same_moment_wait_for_each_other() -> None:
    together, errors = Barrier(4), []
    results: list[MergeResult] = []

    def merge(number: int) -> None:
        try:
            together.wait()
            results.extend(store(str(number) * 32).merge(Book, books(range(200))) for _ in range(3))
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=merge, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(result.inserted for result in results) == 200
    assert sum(result.unchanged for result in results) == 11 * 200
    assert len(current()) == 200


def test_a_missing_table_is_a_sentence_with_the_command_to_type() -> None:
    with connections[data_alias()].schema_editor() as editor:
        editor.delete_model(Book)
    try:
        with pytest.raises(MissingTable, match=f"migrate examples_shop_books --database {data_alias()}"):
            check_tables("examples_shop_books")
        with pytest.raises(StorageError, match=f'The database "{data_alias()}" refused: '):
            store().merge(Book, books([1]))
    finally:
        with connections[data_alias()].schema_editor() as editor:
            editor.create_model(Book)
    check_tables("examples_shop_books")


def test_every_table_of_rows_names_a_key_and_has_an_index_over_it() -> None:
    constraint = next(c for c in Book._meta.constraints if "current_key" in c.name)
    assert constraint.fields == ("isbn",)  # type: ignore[attr-defined]
    assert issubclass(Book, DataTable)
