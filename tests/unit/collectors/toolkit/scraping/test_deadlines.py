"""An item has so much time, in each of the three classes, and a run that gives up waits for nobody."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any, ClassVar

import httpx
import pytest

from collectors.contract import Ending
from collectors.toolkit.deadlines import Deadline, ItemTimeout, current_deadline, deadline_is
from collectors.toolkit.errors import Blocker, FetchTimeout, StopRun
from collectors.toolkit.http import Profile, Request, Retries, networks
from collectors.toolkit.scraping import AbortRule, AsyncScraper, BaseScraper, ThreadedScraper
from collectors.toolkit.scraping.rules import Rules
from collectors.toolkit.testing import make_context
from collectors.toolkit.testing.odd_site import odd_site
from collectors.toolkit.testing.transports import Answering, AnsweringTransports

PATIENT = AbortRule(consecutive=0, percent=0)


class Thing:
    natural_key = ("number",)


class Slow:
    """The item 1 takes as long as its deadline and a little more; the others come at once."""

    model: ClassVar[type | None] = Thing
    abort_rule: ClassVar[Rules] = PATIENT
    item_timeout_s: ClassVar[float | None] = 0.05

    def prepare_list(self) -> range:
        return range(3)


class OneByOne(Slow, BaseScraper):
    def collect(self, item: int) -> list[dict[str, int]]:
        if item == 1:
            wait_until_late()
        return [{"number": item}]


class InThreads(Slow, ThreadedScraper):
    def collect(self, item: int) -> list[dict[str, int]]:
        if item == 1:
            wait_until_late()
        return [{"number": item}]


class InALoop(Slow, AsyncScraper):
    async def collect(self, item: int) -> list[dict[str, int]]:
        if item == 1:
            await asyncio.sleep(60)
        return [{"number": item}]


def wait_until_late() -> None:
    deadline = current_deadline()
    assert deadline is not None
    while deadline.left_s > 0:
        time.sleep(0.005)


@pytest.mark.parametrize("kind", [OneByOne, InThreads, InALoop])
def test_an_item_that_takes_longer_fails_and_the_others_do_not(kind: type[Any]) -> None:
    context = make_context()
    outcome = kind(context).run()
    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, False)
    assert sorted(row["number"] for row in context.records.rows(Thing)) == [0, 2]
    (failed,) = [entry for entry in context.log.entries if entry.event == "item.failed"]
    assert isinstance(failed.values["exc_info"], ItemTimeout)
    assert str(failed.values["exc_info"]) == "The item took longer than its 0.05 s."
    assert failed.values["category"] == "http"


def test_what_an_item_fails_with_after_its_deadline_is_the_cause_of_the_timeout() -> None:
    class Failing(OneByOne):
        def collect(self, item: int) -> list[dict[str, int]]:
            super().collect(item)
            raise FetchTimeout("no answer", url="https://shop.example/")

    context = make_context()
    Failing(context).run()
    errors = [entry.values["exc_info"] for entry in context.log.entries if entry.event == "item.failed"]
    assert [type(error) for error in errors] == [FetchTimeout, ItemTimeout, FetchTimeout]
    assert isinstance(errors[1].__cause__, FetchTimeout)


def test_a_deadline_of_one_item_is_not_that_of_the_next() -> None:
    with deadline_is(Deadline(10)):
        assert current_deadline() is not None
    assert current_deadline() is None


def test_an_answer_that_trickles_in_is_cut_off_at_the_deadline_of_the_item() -> None:
    with odd_site() as url:
        client = Request(Profile(allowed=networks("127.0.0.0/8"), retries=Retries(count=3)))
        began = time.monotonic()
        with deadline_is(Deadline(0.3)), pytest.raises(ItemTimeout):
            client.get(f"{url}/drip/60")
        assert time.monotonic() - began < 20
        client.close()


def answering(status: int, asked: list[httpx.Request], headers: dict[str, str]) -> Request:
    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, headers=headers)

    return Request(Profile(), transports=AnsweringTransports(Answering(respond)))


def test_a_wait_that_would_outlast_the_deadline_is_not_begun() -> None:
    asked: list[httpx.Request] = []
    client, began = answering(503, asked, {"Retry-After": "100"}), time.monotonic()
    with deadline_is(Deadline(30)), pytest.raises(ItemTimeout):
        client.get("https://93.184.215.14/")
    assert len(asked) == 1
    assert time.monotonic() - began < 20


def test_a_request_after_the_deadline_is_not_sent() -> None:
    asked: list[httpx.Request] = []
    with deadline_is(Deadline(-1)), pytest.raises(ItemTimeout):
        answering(200, asked, {}).get("https://93.184.215.14/")
    assert asked == []


def test_who_gives_up_does_not_wait_for_the_retries_of_other_items() -> None:
    """The item 0 waits a minute to try again; what the item 1 says ends the run at once."""
    is_waiting = threading.Event()
    asked: list[httpx.Request] = []
    client = answering(503, asked, {"Retry-After": "60"})

    class GivesUp(ThreadedScraper):
        workers = 2

        def prepare_list(self) -> range:
            return range(2)

        def collect(self, item: int) -> list[Any]:
            if item == 0:
                is_waiting.set()
                client.get("https://93.184.215.14/")
            is_waiting.wait(30)
            raise Blocker("log in first")

    context, began = make_context(), time.monotonic()
    with pytest.raises(Blocker):
        GivesUp(context).run()
    assert time.monotonic() - began < 30
    assert context.log.events("error") == []


def test_what_other_threads_collect_while_the_run_ends_is_kept() -> None:
    both = threading.Barrier(2, timeout=30)

    class Stops(ThreadedScraper):
        model = Thing
        workers = 2

        def prepare_list(self) -> range:
            return range(2)

        def collect(self, item: int) -> list[dict[str, int]]:
            if item == 0:
                both.wait()
                raise StopRun("nothing new below")
            both.wait()
            return [{"number": item}]

    context = make_context()
    assert Stops(context).run().cause == "nothing new below"
    assert [row["number"] for row in context.records.rows(Thing)] == [1]


def test_an_item_that_leaves_by_a_base_exception_leaves_no_thread_behind() -> None:
    class Exits(ThreadedScraper):
        def prepare_list(self) -> range:
            return range(50)

        def collect(self, item: int) -> list[Any]:
            raise SystemExit(3)

    before = threading.active_count()
    with pytest.raises(SystemExit):
        Exits(make_context()).run()
    assert threading.active_count() == before


def test_an_item_whose_own_task_was_cancelled_fails_alone() -> None:
    class Cancelled(AsyncScraper):
        model = Thing
        abort_rule = PATIENT
        concurrency = 2

        def prepare_list(self) -> range:
            return range(6)

        async def collect(self, item: int) -> list[dict[str, int]]:
            if item in (1, 2, 3):
                inner = asyncio.ensure_future(asyncio.sleep(60))
                inner.cancel()
                await inner
            await asyncio.sleep(0)
            return [{"number": item}]

    context = make_context()
    outcome = Cancelled(context).run()
    assert outcome.cause == "3 of 6 items failed, so no missing row was archived."
    assert sorted(row["number"] for row in context.records.rows(Thing)) == [0, 4, 5]


def test_an_interrupted_loop_leaves_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Interrupted(AsyncScraper):
        def prepare_list(self) -> range:
            return range(3)

        async def collect(self, item: int) -> list[Any]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted(make_context()).run()
    gc.collect()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
