"""A merge that is interrupted leaves the table as it was or as it should be, nothing between (invariant: atomic)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from apps.records.merge import Hooks
from collectors.toolkit.errors import StorageError
from tests.integration.apps.records.tables import ALIAS, City, city, current, made, store

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ROOT = Path(__file__).parents[4]
#: Once at every statement; DC_TEST_KILLS asks for more.
KILLS = int(os.environ.get("DC_TEST_KILLS", "1"))
STATEMENTS = ("CREATE TEMPORARY TABLE", "INSERT INTO", "UPDATE", "COMMIT", "after COMMIT")


@pytest.fixture
def table() -> Iterator[None]:
    with made(City):
        yield


def test_a_process_that_is_killed_at_any_statement_leaves_before_or_after() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.apps.records.killed_merges", str(KILLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    *deaths, (_, before, after), (_, leftover, _) = json.loads(done.stdout)

    died = {statement for statement, _, _ in deaths if statement}
    assert all(any(statement.startswith(wanted) for statement in died) for wanted in STATEMENTS), died
    for statement, content, again in deaths:
        is_done = not statement or statement.startswith("after COMMIT")
        assert content == (after if is_done else before), f"killed before {statement}"
        assert again == after, f"merged again after it was killed before {statement}"
    assert before != after
    assert leftover == []


@pytest.mark.usefixtures("table")
def test_a_connection_that_is_lost_at_any_statement_leaves_before() -> None:
    connection = connections[ALIAS]
    rows = [city("Zagreb", 2), city("Pula")]
    for point in range(100):
        City.objects.all().delete()
        store().merge(City, [city("Zagreb"), city("Split")])
        count = 0

        def lose(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            nonlocal count
            if count == point:  # noqa: B023 - called within the turn
                lose_connection(connection)
            count += 1
            return execute(sql, params, many, context)

        with connection.execute_wrapper(lose), suppress(StorageError):
            store().merge(City, iter(rows))
            break
        connection.close()
        assert {name: row.people for (_, name), row in current().items()} == {  # type: ignore[attr-defined]
            "Zagreb": 1,
            "Split": 1,
        }, f"lost before statement {point}"
    connection.close()  # a connection that is lost after the COMMIT is no error of the merge
    assert point > 10
    assert {name: row.people for (_, name), row in current().items()} == {"Zagreb": 2, "Pula": 1}  # type: ignore[attr-defined]


def lose_connection(connection: Any) -> None:
    """The server ends the session; where there is no server, the file is closed under it."""
    if connection.vendor != "postgresql":
        connection.connection.close()
        return
    pid = connection.connection.info.backend_pid
    database = settings.DATABASES[ALIAS]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"] or None, user=database["USER"], password=database["PASSWORD"],
        dbname=database["NAME"], autocommit=True,
    ) as other:  # fmt: skip
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@pytest.mark.usefixtures("table")
def test_a_run_that_lost_its_epoch_writes_nothing() -> None:
    store().merge(City, [city("Zagreb")])
    asked: list[str] = []

    def fence(alias: str, tables: Sequence[str]) -> None:
        asked.append(alias)
        assert connections[alias].in_atomic_block
        raise StorageError("The run was given up.")

    records = store(hooks=Hooks(fence=fence))
    with pytest.raises(StorageError, match="given up"):
        records.merge(City, [city("Split")])
    with pytest.raises(StorageError, match="given up"), records.transaction():
        records.merge(City, [city("Pula")])

    assert list(current()) == [("hr", "Zagreb")]
    assert ALIAS in asked
    assert records.totals == store().totals
