"""A run that was given up writes nothing, wherever its rows live."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlglot
from django.db import DatabaseError, connections, transaction

from apps.core.clock import utc_now
from apps.databases.fence_table import CREATE, is_the_platforms, make_fence, upsert
from apps.records.merge import Hooks
from apps.records.store import DjangoRecordStore
from apps.runtime.ending import end_run
from apps.runtime.fencing import EpochFence
from apps.runtime.models import Runtime, State
from collectors.toolkit.errors import StorageError
from tests.integration.apps.records.tables import City, city, current, made, store
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

LATER = "given up while it was working, so none of its rows were stored. A later run"


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    with made(City):
        yield


@pytest.fixture
def run() -> Runtime:
    return live_run(3)


@pytest.fixture
def far(warehouse: str) -> Iterator[str]:
    """The alias of another database than the platform's, with the table of cities in it."""
    with connections[warehouse].schema_editor() as editor:
        editor.create_model(City)
    yield warehouse
    connections[warehouse].close()


def live_run(epoch: int, *, code: str = "examples.shop.books", **values: Any) -> Runtime:
    return make_run(make_app(code), State.RUNNING, epoch=epoch, started_at=utc_now() - timedelta(seconds=1), **values)


def give_up(run: Runtime) -> None:
    assert end_run(run, State.CRASHED, now=utc_now(), cause="Nobody answers for it.")


def of(run: Runtime, **options: Any) -> DjangoRecordStore:
    """The record store of a run whose process is alive, whatever the platform thinks of it."""
    fence = EpochFence(run, patience_s=0.0)
    return store(run.pk, hooks=Hooks(prepare=fence.prepare, fence=fence), **options)


def names(alias: str) -> list[str]:
    return sorted(City.objects.using(alias).current().values_list("name", flat=True))


def marks(alias: str) -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT app, table_name, epoch FROM dc_fence ORDER BY app, table_name")
        return list(cursor.fetchall())


@contextmanager
def statements(*aliases: str) -> Iterator[list[str]]:
    """What is sent on these connections."""
    sent: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        sent.append(sql)
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(connections[alias].execute_wrapper(watch))
        yield sent


# -- In the platform's database ----------------------------------------------------------------------------------------


def test_a_run_that_is_live_and_of_its_epoch_writes(run: Runtime) -> None:
    records = of(run)

    with records.transaction():
        records.merge(City, [city("Split")])
    records.merge(City, [city("Zagreb")])

    assert list(current()) == [("hr", "Zagreb")]


@pytest.mark.parametrize("change", [{"epoch": 4}, {"state": State.CRASHED, "slot": None}])
def test_a_run_that_was_given_up_writes_nothing(run: Runtime, change: dict[str, object]) -> None:
    store().merge(City, [city("Zagreb")])
    ended = {"ended_at": utc_now()} if "state" in change else {}
    Runtime.objects.filter(pk=run.pk).update(**change, **ended)

    with pytest.raises(StorageError, match="given up while it was working"):
        of(run).merge(City, [city("Split")])

    assert list(current()) == [("hr", "Zagreb")]


# -- In another one ----------------------------------------------------------------------------------------------------


def test_a_run_whose_process_lives_on_writes_nothing_over_its_successor(far: str) -> None:
    old = live_run(3)
    records = of(old)
    records.merge(City, [city("Split")], using=far)
    give_up(old)

    with pytest.raises(StorageError, match=r"so none of its rows were stored\.$"):
        records.merge(City, [city("Pula")], using=far)
    new = live_run(4)
    of(new).merge(City, [city("Zagreb")], using=far)
    with pytest.raises(StorageError, match=LATER):
        records.merge(City, [city("Rijeka")], using=far)
    with pytest.raises(StorageError, match="given up"), records.transaction():
        records.merge(City, [city("Rijeka")], using=far)

    assert names(far) == ["Zagreb"]
    assert marks(far) == [("examples.shop.books", "test_city", 4)]


def test_who_is_given_up_between_the_proof_and_the_commit_comes_before_its_successor(far: str) -> None:
    old, proved, go = live_run(3), threading.Event(), threading.Event()
    fence = EpochFence(old)

    def paused(alias: str, tables: Sequence[str]) -> None:
        fence(alias, tables)
        proved.set()
        assert go.wait(30)

    def merge(records: DjangoRecordStore, name: str) -> threading.Thread:
        def work() -> None:
            try:
                records.merge(City, [city(name)], using=far)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    stale = merge(store(old.pk, hooks=Hooks(prepare=fence.prepare, fence=paused)), "Split")
    assert proved.wait(30)
    give_up(old)
    successor = merge(of(live_run(4)), "Zagreb")
    go.set()
    stale.join()
    successor.join()

    assert names(far) == ["Zagreb"]
    assert City.objects.using(far).get(name="Split").archived_by != ""


def test_runs_of_an_app_beside_each_other_write_in_any_order(far: str) -> None:
    one, other = of(live_run(3, slot=0)), of(live_run(4, slot=1))

    for records, name in ((one, "Split"), (other, "Zagreb"), (one, "Pula")):
        records.merge(City, [city(name)], using=far, missing="keep")

    assert names(far) == ["Pula", "Split", "Zagreb"]
    assert marks(far)[0][2] == 4


def test_a_platform_that_was_restored_from_an_old_copy_goes_on_writing(far: str) -> None:
    make_fence(far)
    with connections[far].cursor() as cursor:
        cursor.execute("INSERT INTO dc_fence VALUES ('examples.shop.books', 'test_city', 1000)")

    of(live_run(3)).merge(City, [city("Split")], using=far)

    assert names(far) == ["Split"]


def test_apps_that_write_to_one_table_do_not_fence_each_other(far: str) -> None:
    late, early = live_run(900), live_run(1, code="examples.shop.prices")
    of(late).merge(City, [city("Split")], using=far, missing="keep")
    of(early).merge(City, [city("Pula")], using=far, missing="keep")
    give_up(early)
    of(late).merge(City, [city("Zagreb")], using=far, missing="keep")

    assert names(far) == ["Pula", "Split", "Zagreb"]
    assert [row[2] for row in marks(far)] == [900, 1]


def test_it_costs_two_statements_and_a_table_is_looked_for_once(far: str, run: Runtime) -> None:
    def sent(records: DjangoRecordStore) -> int:
        with statements(far, "default") as found:
            records.merge(City, [city("Split")], using=far)
        return len(found)

    fenced, other = of(run), store()
    sent(fenced)
    sent(other)
    assert sent(fenced) - sent(other) == 2


def test_tables_of_one_transaction_cost_two_statements_too(far: str, run: Runtime) -> None:
    fence = EpochFence(run)
    fence.prepare(far)
    with transaction.atomic(using=far), statements(far, "default") as found:
        fence(far, ["b", "a", "c"])
    assert len(found) == 2
    assert [row[1] for row in marks(far)] == ["a", "b", "c"]


def test_a_dry_run_makes_no_table(far: str, run: Runtime) -> None:
    of(run, dry_run=True).merge(City, [city("Split")], using=far)
    assert "dc_fence" not in connections[far].introspection.table_names()


def test_many_that_make_the_table_at_once_make_one(far: str) -> None:
    barrier, errors = threading.Barrier(4), []

    def make() -> None:
        try:
            barrier.wait(30)
            make_fence(far)
        except DatabaseError as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert marks(far) == []


def test_where_the_table_cannot_be_made_the_sentence_says_what_to_have_made(far: str, run: Runtime) -> None:
    with connections[far].cursor() as cursor:
        if connections[far].vendor == "sqlite":
            cursor.execute("PRAGMA query_only = 1")
        else:
            cursor.execute("SET default_transaction_read_only = on")
    records = of(run)
    with pytest.raises(StorageError, match=f'dc_fence cannot be made in the database "{far}".*CREATE TABLE dc_fence'):
        records.merge(City, [city("Split")], using=far)


def test_a_platform_that_does_not_answer_is_asked_again(
    far: str, run: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def down(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if "runtime" in sql and len(asked) < 2:
            raise DatabaseError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    monkeypatch.setattr("apps.runtime.fencing.time.sleep", asked.append)
    fence = EpochFence(run)
    with connections["default"].execute_wrapper(down):
        store(run.pk, hooks=Hooks(prepare=fence.prepare, fence=fence)).merge(City, [city("Split")], using=far)
        assert len(asked) == 2
        asked.clear()
        with pytest.raises(StorageError, match="platform's database did not answer"):
            of(run).merge(City, [city("Pula")], using=far)

    assert names(far) == ["Split"]


def test_only_the_platforms_own_sign_in_is_the_platforms_database(far: str) -> None:
    assert is_the_platforms("default")
    assert not is_the_platforms(far)
    connections[far].settings_dict = {**connections["default"].settings_dict}
    assert is_the_platforms(far)
    connections[far].settings_dict["USER"] = "somebody"
    assert not is_the_platforms(far)


def test_the_statement_for_sql_server_is_one() -> None:
    sql = upsert("microsoft", 2)
    assert sql.count("%s") == 6
    (merge,) = sqlglot.parse(sql.replace("%s", "1").rstrip(";"), read="tsql")
    assert isinstance(merge, sqlglot.exp.Merge)
    assert "WITH (UPDLOCK, HOLDLOCK)" in sql
    assert isinstance(sqlglot.parse_one(CREATE, read="tsql"), sqlglot.exp.Create)
