"""The ledger of all processes gives the same answers as that of one, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.audit import ADMIN
from apps.core.clock import utc_now
from apps.politeness.ledger import DatabaseLedger
from apps.politeness.models import Circuit, Site
from apps.politeness.services import close_circuits
from collectors.toolkit.politeness.ledger import Bid, Ledger, RobotsText, Way
from collectors.toolkit.politeness.memory import MemoryLedger
from collectors.toolkit.politeness.pauses import Why

pytestmark = pytest.mark.django_db(transaction=True)

Open = Callable[[], DatabaseLedger]
WAY = Way("shop.example", "www.shop.example", "direct")


@pytest.fixture
def process() -> Iterator[Open]:
    """Opens the ledger of one more process."""
    opened: list[DatabaseLedger] = []

    def one() -> DatabaseLedger:
        opened.append(DatabaseLedger())
        return opened[-1]

    yield one
    for ledger in opened:
        ledger.close()


def bid(low_s: float = 10.0, high_s: float | None = None, **more: object) -> Bid:
    return Bid("shop.example", low_s, low_s if high_s is None else high_s, Why.SOURCE, **more)  # type: ignore[arg-type]


def site() -> Site:
    return Site.objects.get(name="shop.example")


def test_turns_follow_each_other_whoever_takes_them(process: Open) -> None:
    one, other = process(), process()

    waits = [ledger.take(bid()).wait_s for ledger in (one, other, one, other)]

    assert waits[0] == 0
    for number, wait_s in enumerate(waits):
        assert number * 10.05 - 2 < wait_s <= number * 10.05


def test_threads_that_ask_together_get_turns_of_their_own(process: Open) -> None:
    ledgers = [process() for _ in range(4)]
    start = threading.Barrier(4)

    def take(ledger: DatabaseLedger) -> list[float]:
        start.wait(20)
        return [ledger.take(bid(100.0)).wait_s for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        waits = sorted(wait for found in pool.map(take, ledgers) for wait in found)

    # The waits are counted from different moments, which are seconds apart at most.
    assert [round(wait / 100.05) for wait in waits] == list(range(20))


@given(low_s=st.floats(0, 50), more_s=st.floats(0, 50), crawl_s=st.floats(0, 50), luck=st.floats(0, 1))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_says_what_the_ledger_of_one_process_says(
    process: Open, low_s: float, more_s: float, crawl_s: float, luck: float
) -> None:
    wanted = Bid(f"{low_s}-{more_s}-{crawl_s}-{luck}", low_s, low_s + more_s, Why.DEFAULT, crawl_s, luck)
    ledgers: list[Ledger] = [process(), MemoryLedger()]
    answers = []
    for ledger in ledgers:
        ledger.take(wanted)
        ledger.slow_down(wanted.site, Why.TOO_MANY, factor=2.0)
        answers.append([ledger.take(wanted), ledger.take(wanted)])
        ledger.close()

    for shared, alone in zip(*answers, strict=True):
        assert shared.least_s == pytest.approx(alone.least_s)
        assert shared.most_s == pytest.approx(alone.most_s)
        assert shared.wait_s == pytest.approx(alone.wait_s, abs=2.0)


def test_after_a_retry_after_nobody_gets_a_turn_before_its_time(process: Open) -> None:
    one, other = process(), process()
    one.take(bid())
    waiting = other.take(bid())

    one.slow_down("shop.example", Why.TOO_MANY, factor=2.0, rest_s=70.0)

    assert waiting.is_shared
    assert 60 < other.confirm("shop.example", waiting.least_s) <= 70
    assert other.take(bid()).wait_s > 60
    assert site().refused_count == 1
    assert site().reason.value == "429"


def test_who_is_to_rest_for_too_long_gets_no_turn(process: Open) -> None:
    ledger = process()
    ledger.take(bid())
    ledger.slow_down("shop.example", Why.TOO_MANY, factor=2.0, rest_s=500.0)
    before = site().next_time

    slot = ledger.take(bid())

    assert 400 < slot.rest_s <= 500
    assert site().next_time == before


def test_of_two_who_have_waited_only_one_goes(process: Open) -> None:
    one, other = process(), process()
    one.take(bid(0.0))

    assert one.confirm("shop.example", 30.0) > 20
    assert one.confirm("shop.example", 0.0) == 0
    assert other.confirm("shop.example", 30.0) > 20


def test_who_comes_after_one_that_was_late_waits_for_the_whole_pause(process: Open) -> None:
    one, other = process(), process()
    one.take(bid())
    Site.objects.update(slot_time=0, next_time=0, sent_time=0)
    assert one.confirm("shop.example", 10.05) == 0

    assert other.take(bid()).wait_s > 8


def test_complaints_make_pauses_longer_and_answers_shorter_again(process: Open) -> None:
    ledger = process()
    ledger.take(bid(1.0))
    ledger.slow_down("shop.example", Why.UNAVAILABLE, factor=2.0)
    ledger.slow_down("shop.example", Why.UNAVAILABLE, factor=2.0)  # of the same moment: one complaint
    assert site().penalty_s == 0.5
    Site.objects.update(penalty_time=0)
    ledger.slow_down("shop.example", Why.UNAVAILABLE, factor=2.0)
    assert site().penalty_s == 1.0

    ledger.take(bid(1.0, answered=10, latency_s=0.2))

    assert site().penalty_s == pytest.approx(0.97**10)
    assert site().latency_s == pytest.approx(0.2)
    assert site().answer_count == 10
    ledger.settle("shop.example", 200, 0.2)
    assert site().penalty_s == 0
    assert site().reason.value == "source"


def test_what_an_operator_says_holds_and_a_form_disturbs_no_turn(process: Open) -> None:
    ledger = process()
    ledger.take(bid())
    opened = site()
    ledger.take(bid())
    opened.low_s, opened.high_s, opened.at_once = 2.0, 4.0, 3
    opened.save()

    slot = ledger.take(bid(luck=1.0))

    assert slot.wait_s > 15
    assert slot.least_s == pytest.approx(2.05)
    assert slot.most_s == pytest.approx(4.05)
    assert slot.at_once == 3
    assert site().reason.value == "operator"


def test_no_more_places_are_lent_than_there_are_and_the_time_frees_them(process: Open) -> None:
    one, other = process(), process()
    one.take(bid())

    first, second = one.lend("shop.example", 2, 300.0), other.lend("shop.example", 2, 0.0)
    assert first
    assert second
    # The second was lent to somebody who was killed: its time is over.
    third = one.lend("shop.example", 2, 300.0)
    assert third
    assert other.lend("shop.example", 2, 300.0) is None
    other.give_back(second)  # it is not theirs any more
    assert other.lend("shop.example", 2, 300.0) is None
    one.give_back(first)
    assert other.lend("shop.example", 2, 300.0)


def test_a_circuit_is_open_for_all_and_one_tries(process: Open) -> None:
    one, other = process(), process()
    before = one.take(bid()).circuits
    one.trip(WAY, "it did not answer")

    assert other.take(bid()).circuits != before
    assert [(found.way, found.why) for found in other.open_circuits("shop.example")] == [(WAY, "it did not answer")]
    assert other.enter(WAY).is_open
    Circuit.objects.update(until=0)
    assert not other.enter(WAY).is_open
    refused = one.enter(WAY)
    assert refused.is_open
    assert refused.why == "it did not answer"

    one.trip(WAY, "again")  # who tried has failed: twice as long
    assert Circuit.objects.get().hold_s == 60
    assert other.enter(WAY).is_open
    assert close_circuits(site(), actor=None, source=ADMIN, now=utc_now()) == 1
    assert not other.enter(WAY).is_open
    assert not other.open_circuits("shop.example")
    one.trip(WAY, "anew")
    assert Circuit.objects.get().hold_s == 30
    one.close_circuit(WAY)
    assert not other.open_circuits("shop.example")


def test_a_robots_file_is_kept_for_all(process: Open) -> None:
    one, other = process(), process()
    one.take(bid())
    assert other.robots("https://shop.example") is None

    one.keep_robots("shop.example", "https://shop.example", RobotsText(503, ""), 0.0)
    one.keep_robots("shop.example", "https://shop.example", RobotsText(200, "User-agent: *\0\nDisallow: /x"), 4.0)

    found = other.robots("https://shop.example")
    assert found is not None
    assert (found.status, found.text) == (200, "User-agent: *\nDisallow: /x")
    assert 0 <= found.age_s < 60


def test_while_the_database_is_away_each_process_is_on_its_own(process: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = process()
    ledger.take(bid())
    monkeypatch.setattr(ledger, "_rows", _fails)

    waits = [ledger.take(bid()).wait_s for _ in range(2)]
    ledger.slow_down("shop.example", Why.TOO_MANY, factor=2.0, rest_s=60.0)

    assert waits[0] == 0
    assert waits[1] > 8
    assert ledger.take(bid()).wait_s > 50
    assert ledger.lend("shop.example", 1, 5.0)
    assert not ledger.enter(WAY).is_open


def _fails(*_: object) -> list[object]:
    raise DatabaseError("the server went away")
