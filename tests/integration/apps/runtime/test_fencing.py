"""A run that was given up writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from apps.core.clock import utc_now
from apps.records.merge import Hooks
from apps.records.router import data_alias
from apps.runtime.fencing import EpochFence, shares_platform_database
from apps.runtime.models import Runtime, State
from collectors.toolkit.errors import StorageError
from tests.integration.apps.records.tables import City, city, current, made, store
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    with made(City):
        yield


@pytest.fixture
def run() -> Runtime:
    return make_run(make_app(), State.RUNNING, epoch=3, started_at=utc_now() - timedelta(seconds=1))


def test_a_run_that_is_live_and_of_its_epoch_writes(run: Runtime) -> None:
    records = store(run.pk, hooks=Hooks(fence=EpochFence(run)))

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
        store(run.pk, hooks=Hooks(fence=EpochFence(run))).merge(City, [city("Split")])

    assert list(current()) == [("hr", "Zagreb")]


def test_rows_in_another_database_are_not_fenced(run: Runtime) -> None:
    assert shares_platform_database("default")
    assert shares_platform_database(data_alias()) is (data_alias() == "default")
