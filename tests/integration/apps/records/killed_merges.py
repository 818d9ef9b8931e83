"""Merges that die at each of their statements, in processes of their own; what the table holds afterwards, as JSON.

Run by test_interrupted.py. The processes are forks, so that Django starts once; between two of them the table is
brought back to where it was. Standard output: a list of `[statement before which it died, content, content after
another merge]`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django


def main(kills: int) -> list[list[Any]]:
    """Die at least so many times, and once at every statement."""
    from django.db import connections

    from tests.integration.apps.records.tables import ALIAS, City, city, made, store

    before = [city(f"City {number}") for number in range(30)]
    after = [city(f"City {number}", number % 3 or 1) for number in range(5, 40)]
    found: list[list[Any]] = []
    with made(City):
        point, is_round_over = 0, False
        while not is_round_over or len(found) < kills:
            City.objects.all().delete()
            store("1" * 32).merge(City, before)
            connections.close_all()
            died = in_a_fork(lambda: die_at(point, lambda: store("2" * 32).merge(City, iter(after))))  # noqa: B023
            content = shas(City)
            store("3" * 32).merge(City, after)
            found.append([died, content, shas(City)])
            # What comes after the last statement is a merge that nobody interrupts; then it begins anew.
            is_round_over = is_round_over or not died
            point = point + 1 if died else 0
        found.append(["before", expected(before), expected(after)])
        leftover = connections[ALIAS].introspection.table_names()
        found.append(["tables", [name for name in leftover if "dc_" in name], []])
    return found


def die_at(point: int, work: Callable[[], Any]) -> None:
    """Do `work`, and be killed before its statement number `point`; the COMMIT counts, before and after."""
    from django.db import connections

    from tests.integration.apps.records.tables import ALIAS

    connection: Any = connections[ALIAS]
    count, is_committed = 0, False

    def step(name: str) -> None:
        nonlocal count
        if count == point:
            os.write(DIED, (f"after COMMIT: {name}" if is_committed else name).encode())
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        step(sql[:60])
        return execute(sql, params, many, context)

    commit = connection._commit

    def dying_commit() -> None:
        nonlocal is_committed
        step("COMMIT")
        commit()
        is_committed = True
        step("nothing")

    connection._commit = dying_commit
    with connection.execute_wrapper(watch):
        work()


DIED = 0


def in_a_fork(work: Callable[[], None]) -> str:
    """What the process said before it was killed; empty when it came to its end."""
    global DIED
    reading, DIED = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told by the status
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    os.close(DIED)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit("a merge failed that was to be killed")
    return said


def shas(table: Any) -> list[str]:
    return sorted(table.objects.current().values_list("sha", flat=True))


def expected(rows: list[dict[str, Any]]) -> list[str]:
    from apps.records.rows import RowReader
    from tests.integration.apps.records.tables import City

    return sorted(sha for batch in RowReader(City).batches(rows) for sha in batch.shas)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    json.dump(main(int(sys.argv[1])), sys.stdout)
