"""Lists that outlive a run, in the platform's database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.runtime.housekeeping import usual_jobs
from apps.runtime.models import Runtime, State
from apps.runtime.queue_models import ItemQueue, QueuedItem, QueueSeen
from apps.runtime.queue_upkeep import begin_anew, remove_expired
from apps.runtime.queues import DjangoQueue, DjangoQueues, PlatformAway
from apps.runtime.wiring import wire
from collectors.contract import Ending, Outcome
from collectors.loader import Source
from collectors.queues import QueueCounts
from collectors.sources.examples.shop.books.models import Book
from collectors.stores import SeenKeys
from collectors.toolkit.categories import category_of
from collectors.toolkit.errors import RetryLater, StorageError
from collectors.toolkit.scraping import AsyncScraper, BaseScraper, ThreadedScraper
from tests.integration.factories import BOOKS, book, books, make_app, make_run, make_source
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")
#: For what happens outside of a transaction, or in threads.
COMMITTED = pytest.mark.django_db(databases="__all__", transaction=True)


def begun(number: int = 1, code: str = BOOKS) -> Runtime:
    """A run that is under way, the `number`th of its app."""
    return make_run(make_app(code), State.RUNNING, epoch=number, slot=number)


def ended(run: Runtime) -> None:
    Runtime.objects.filter(pk=run.pk).update(state=State.CRASHED, ended_at=utc_now())


def opened(run: Runtime, args: str = "{}", *, keep_s: float = 3600.0, attempts: int = 3) -> DjangoQueue:
    return DjangoQueues(run, patience_s=0.1)(args=args, keep_s=keep_s, attempts=attempts)


def filled(run: Runtime, count: int) -> DjangoQueue:
    queue = opened(run)
    queue.add([str(number) for number in range(count)])
    queue.listed()
    return queue


def test_what_was_settled_is_gone_and_the_next_run_gets_the_rest_in_order() -> None:
    first = begun(1)
    queue = filled(first, 12)
    assert (queue.continues, queue.is_listed, queue.counts()) == ("", True, QueueCounts(size=12, left=12, given_up=0))
    taken = queue.take(5)
    assert [item.text for item in taken] == list("01234")
    queue.settle(done=[item.id for item in taken[:4]], failed=[taken[4].id], seen=[SeenKeys("g", b"\x00\xff")])
    ended(first)

    again = opened(begun(2))
    assert (again.continues, again.counts()) == (first.pk, QueueCounts(size=12, left=8, given_up=0))
    assert [item.text for item in again.take(100)] == [str(number) for number in range(4, 12)]
    assert again.take(100) == []
    assert (again.groups(), list(again.keys("g"))) == (["g"], [b"\x00\xff"])
    again.remove()
    assert [model.objects.count() for model in (ItemQueue, QueuedItem, QueueSeen)] == [0, 0, 0]


def test_an_item_that_failed_often_enough_is_given_up() -> None:
    run = begun()
    queue = opened(run, attempts=2)
    queue.add(["a", "b"])
    queue.listed()
    for left, given_up in ((2, 0), (1, 1)):
        (bad, _) = QueuedItem.objects.order_by("id")
        queue.settle(done=[], failed=[bad.pk], seen=[])
        assert queue.counts() == QueueCounts(size=2, left=left, given_up=given_up)
    assert [item.text for item in opened(run, attempts=2).take(9)] == ["b"]


def test_the_same_item_is_in_it_once_however_often_it_is_listed() -> None:
    queue = opened(begun())
    for _ in range(2):
        queue.add(["a", "b", "a", "ä" * 10_000])
    queue.listed()
    assert queue.counts().size == 3
    assert queue.take(9)[2].text == "ä" * 10_000


def test_a_list_that_was_not_finished_is_not_gone_on_with_but_kept_to_be_completed() -> None:
    first = begun(1)
    opened(first).add(["a"])
    ended(first)
    again = opened(begun(2))
    assert (again.continues, again.is_listed) == ("", False)
    again.add(["a", "b"])
    again.listed()
    assert again.counts().size == 2


def test_other_arguments_and_other_apps_have_other_lists() -> None:
    run = begun()
    filled(run, 3)
    assert not opened(run, '{"page": 2}').is_listed
    assert not opened(begun(1, "trial.odd.slow")).is_listed


def test_two_runs_never_share_a_list() -> None:
    first = begun(1)
    filled(first, 3)
    with pytest.raises(RetryLater, match=f"The run {first.pk[:8]} works on the same list"):
        opened(begun(2))


def test_who_was_given_up_writes_nothing_more() -> None:
    first = begun(1)
    queue = filled(first, 3)
    ended(first)
    opened(begun(2))
    writes: list[Callable[[], None]] = [
        lambda: queue.add(["x"]),
        lambda: queue.settle(done=[1], failed=[], seen=[]),
        queue.remove,
    ]
    for write in writes:
        with pytest.raises(StorageError, match="Another run has taken this list over"):
            write()
    with pytest.raises(StorageError, match="given up"):
        opened(first)
    assert QueuedItem.objects.count() == 3


def test_a_list_that_is_too_old_is_made_anew_and_housekeeping_removes_it() -> None:
    first = begun(1)
    filled(first, 3)
    ItemQueue.objects.update(expires_at=utc_now() - timedelta(seconds=1))
    assert remove_expired(now=utc_now()) == 0, "its run still works on it"
    ended(first)
    second = begun(2)
    assert (opened(second).is_listed, QueuedItem.objects.count()) == (False, 0)
    ended(second)
    assert remove_expired(now=utc_now() + timedelta(days=2)) == 1
    assert not ItemQueue.objects.exists()
    (job,) = [job for job in usual_jobs(None, None) if job.name == "item queues"]  # type: ignore[arg-type]
    job.do()


def test_somebody_may_have_the_next_run_begin_anew_but_not_under_the_hands_of_a_run() -> None:
    run = begun()
    filled(run, 3)
    queue = ItemQueue.objects.get()
    assert begin_anew([queue], actor=None, source="ADMIN", now=utc_now()) == 0
    ended(run)
    assert begin_anew([queue], actor=None, source="ADMIN", now=utc_now()) == 1
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.before) == ("itemqueue.removed", {"left": 3, "size": 3})


def test_people_and_programs_see_how_far_a_list_is_and_may_have_it_begun_anew() -> None:
    run = begun()
    queue = filled(run, 12)
    queue.settle(done=[item.id for item in queue.take(5)], failed=[], seen=[])
    pk = ItemQueue.objects.get().pk
    viewer, operator = signed_in("viewer"), signed_in("operator")
    listed = viewer.get("/admin/runtime/itemqueue/").content.decode()
    assert BOOKS in listed
    assert run.pk[:8] in listed
    assert viewer.get(f"/admin/runtime/itemqueue/{pk}/change/").status_code == 200

    (told,) = viewer.get("/api/v1/item-queues", {"app": BOOKS}).json()["items"]
    assert {name: told[name] for name in ("app", "runtime", "size", "done", "left", "given_up")} == {
        "app": BOOKS, "runtime": run.pk, "size": 12, "done": 5, "left": 7, "given_up": 0,
    }  # fmt: skip
    assert viewer.delete(f"/api/v1/item-queues/{pk}").status_code == 403
    refused = operator.delete(f"/api/v1/item-queues/{pk}")
    assert (refused.status_code, refused.json()["detail"]) == (
        409, f"The run {run.pk} works on this list. Stop it first.",
    )  # fmt: skip
    ended(run)
    assert operator.delete(f"/api/v1/item-queues/{pk}").status_code == 200
    assert not QueuedItem.objects.exists()


class Away:
    """The database breaks off so many statements."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.left:
            self.left -= 1
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)


@COMMITTED
def test_a_database_that_is_away_for_a_moment_is_waited_for() -> None:
    queue = filled(begun(), 3)
    queue._patience_s = 30
    with connection.execute_wrapper(Away(2)):
        assert len(queue.take(3)) == 3


@COMMITTED
def test_one_that_stays_away_ends_the_run_as_no_fault_of_the_source() -> None:
    queue = filled(begun(), 3)
    with connection.execute_wrapper(Away(1000)), pytest.raises(PlatformAway, match="the next run goes on") as caught:
        queue.take(3)
    assert category_of(caught.value) == "platform"


class Shop:
    """Collects books 0 to 29; the run dies at `dies_at`."""

    model = Book
    resume = True
    store_every = 5
    dies_at: int | None = None

    def prepare_list(self) -> range:
        return range(30)

    def rows_of(self, item: int) -> list[dict[str, Any]]:
        if item == self.dies_at:
            raise KeyboardInterrupt
        return [book(item)]


class OneByOne(Shop, BaseScraper):  # type: ignore[misc]
    def collect(self, item: int) -> list[dict[str, Any]]:
        return self.rows_of(item)


class InThreads(Shop, ThreadedScraper):  # type: ignore[misc]
    workers = 2

    def collect(self, item: int) -> list[dict[str, Any]]:
        return self.rows_of(item)


class InALoop(Shop, AsyncScraper):  # type: ignore[misc]
    concurrency = 2

    async def collect(self, item: int) -> list[dict[str, Any]]:
        return self.rows_of(item)


def run_of(kind: type[Any], number: int) -> Outcome:
    """What comes of the `number`th run of the app, with everything that the platform hands in."""
    run = begun(number)

    class Never:
        def is_set(self) -> bool:
            return False

    source: Source = make_source(lambda _: None)
    wiring = wire(run, source, args={}, progress=lambda **_: None, stop=Never())
    try:
        outcome: Outcome = kind(wiring.context).run()
        return outcome
    finally:
        ended(run)
        wiring.close()


@COMMITTED
@pytest.mark.parametrize("kind", [OneByOne, InThreads, InALoop])
def test_a_source_goes_on_where_it_died_and_archives_what_neither_of_the_runs_saw(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.integration.apps.records.tables import store

    store().merge(Book, books(range(20, 45)))
    monkeypatch.setattr(kind, "dies_at", 18)
    with pytest.raises(KeyboardInterrupt):
        run_of(kind, 1)
    assert Book.objects.current().count() >= 25 + 10
    queue = ItemQueue.objects.get()
    assert 10 <= queue.done < 20
    monkeypatch.setattr(kind, "dies_at", None)

    outcome = run_of(kind, 2)
    assert (outcome.ending, outcome.complete, outcome.cause) == (Ending.SUCCEEDED, True, "")
    assert sorted(int(row.isbn) for row in Book.objects.current()) == list(range(30))
    assert not ItemQueue.objects.exists()
