"""Merges at the same moment, and what is tried again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Barrier, Thread
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connections

from apps.records.merge import ATTEMPTS, Hooks
from collectors.contract import MergeResult
from collectors.toolkit.errors import StorageError
from tests.integration.apps.records.tables import ALIAS, City, city, current, made, store

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

WORKERS, ROUNDS = 8, 4


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    with made(City):
        yield


def test_eight_workers_on_one_table_surface_nothing() -> None:
    """Their snapshots overlap and differ, so each undoes some of what another did; scopes cross each other too."""
    together, errors = Barrier(WORKERS), []
    results: list[MergeResult] = []

    def work(number: int) -> None:
        try:
            together.wait()
            for turn in range(ROUNDS):
                first = (number * 7 + turn * 3) % 20
                rows = [city(f"City {place}", number % 3) for place in range(first, first + 30)]
                scope = {"country": "hr"} if number % 2 else None
                records = store(str(number) * 32)
                if number % 4:
                    results.append(records.merge(City, rows, scope=scope))
                else:
                    with records.transaction():
                        results.append(records.merge(City, reversed(rows), scope=scope))
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len(results) == WORKERS * ROUNDS
    assert all(result.seen == result.inserted + result.unchanged == 30 for result in results)
    assert len(current()) == 30
    assert City.objects.count() == sum(result.inserted for result in results)
    assert City.objects.filter(archived_at__isnull=False).count() == sum(result.archived for result in results)


class Trouble:
    """A fence that fails a number of times as a database does."""

    def __init__(self, times: int) -> None:
        self.left, self.calls = times, 0

    def __call__(self, alias: str, tables: Sequence[str]) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise worth_another_try(connections[alias])


def worth_another_try(connection: Any) -> OperationalError:
    if connection.vendor == "sqlite":
        return OperationalError("database is locked")
    if connection.vendor == "microsoft":
        return OperationalError("deadlock detected (1205)")
    error = OperationalError("deadlock detected")
    error.__cause__ = psycopg.errors.DeadlockDetected()
    return error


def test_a_deadlock_is_tried_again_from_the_beginning_and_counts_once() -> None:
    trouble = Trouble(ATTEMPTS - 1)
    records = store(hooks=Hooks(fence=trouble))

    assert records.merge(City, iter([city("Zagreb"), city("Split")])) == MergeResult(seen=2, inserted=2)

    assert trouble.calls == ATTEMPTS
    assert City.objects.count() == records.totals.inserted == 2


def test_it_gives_up_after_some_tries_and_has_written_nothing() -> None:
    with pytest.raises(StorageError, match=rf'The database "{ALIAS}" refused: (deadlock|database is locked)'):
        store(hooks=Hooks(fence=Trouble(ATTEMPTS))).merge(City, [city("Zagreb")])
    assert not City.objects.exists()


def test_another_error_is_not_tried_again() -> None:
    calls = []

    def fence(alias: str, tables: Sequence[str]) -> None:
        calls.append(alias)
        raise OperationalError("disk full")

    with pytest.raises(StorageError, match="disk full"):
        store(hooks=Hooks(fence=fence)).merge(City, [city("Zagreb")])
    assert len(calls) == 1
