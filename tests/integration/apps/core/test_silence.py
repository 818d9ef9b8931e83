"""A database that does not answer: who must go on gives up, and finds it again when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction

from apps.core.silence import limit_silence
from tests.acceptance.conftest import wait_for

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

NEVER = "SELECT pg_sleep(600)"
BACKENDS = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"


def in_a_thread(do: Callable[[], Any]) -> Any:
    """With connections of its own, which end with it: the limit is the thread's."""
    result: list[Any] = []

    def work() -> None:
        try:
            result.append(do())
        except Exception as error:  # noqa: BLE001 - handed to the test
            result.append(error)
        finally:
            connections.close_all()

    thread = Thread(target=work)
    thread.start()
    thread.join(60)
    return result[0]


def ask(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def test_a_call_that_is_not_answered_ends_and_the_next_one_has_a_new_connection() -> None:
    def work() -> Any:
        limit_silence(0.5)
        if connection.vendor != "postgresql":
            return "a file answers", ask("SELECT 1")
        # The server would say so itself; one that is frozen does not.
        (backend,) = ask("SELECT pg_backend_pid() FROM (SELECT set_config('statement_timeout', '0', false)) AS _")
        begun = time.monotonic()
        with pytest.raises(OperationalError, match=r"The database did not answer for 0\.5 s\."):
            ask(NEVER)
        assert time.monotonic() - begun < 30
        connections.close_all()  # as everybody does whom the database has failed
        ask(f"SELECT pg_terminate_backend({backend}, 10000)")
        return "it gave up", ask("SELECT 1")

    said, row = in_a_thread(work)
    assert (said in ("it gave up", "a file answers"), row) == (True, (1,))


def test_the_server_ends_what_somebody_has_given_up() -> None:
    def work() -> Any:
        limit_silence(0.5)
        return ask("SELECT 1" if connection.vendor != "postgresql" else "SHOW statement_timeout")

    assert in_a_thread(work) in (("500ms",), (1,))


def test_other_threads_wait_as_long_as_they_like() -> None:
    def work() -> Any:
        return ask("SELECT 1" if connection.vendor != "postgresql" else "SHOW statement_timeout")

    in_a_thread(lambda: limit_silence(0.5))
    assert in_a_thread(work) in (("0",), (1,))


def test_a_connection_that_is_open_already_is_limited_too() -> None:
    def work() -> Any:
        ask("SELECT 1")
        limit_silence(0.5)
        return ask("SELECT 1" if connection.vendor != "postgresql" else "SHOW statement_timeout")

    assert in_a_thread(work) in (("500ms",), (1,))


def fall_silent_in_a_transaction() -> None:
    """Until the server has given this connection up, which another one sees."""
    others = connections.create_connection("default")
    with transaction.atomic():
        (backend,) = ask("SELECT pg_backend_pid()")
        with others.cursor() as cursor:
            wait_for(lambda: not cursor.execute(BACKENDS, [backend]).fetchone()[0])
        others.close()
        ask("SELECT 1")


def test_who_says_nothing_while_others_wait_for_its_locks_is_given_up() -> None:
    def work() -> Any:
        limit_silence(60, idle_s=0.5)
        if connection.vendor != "postgresql":
            return ask("SELECT 1")
        with pytest.raises(DatabaseError):
            fall_silent_in_a_transaction()
        connections.close_all()
        return ask("SELECT 1")

    assert in_a_thread(work) == (1,)
