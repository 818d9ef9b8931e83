"""Lines on their way to sinks: which of them, from where, and what happens while a sink is away."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from apps.core.clock import utc_now
from apps.logs.models import JournalFile, Log, LogRejected, SinkCursor
from apps.logs.router import Route, RouterHandler, SinkShipper, configured_router, splunk_token
from apps.logs.sinks import BackOff
from apps.logs.splunk import SplunkHECHandler
from apps.runtime.process import identify_self
from apps.runtime.shipper import Shipper
from collectors.toolkit.journal import Journal
from tests.servers.hec import POISON, TOKEN, Collector, collector

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


OPEN: list[SplunkHECHandler] = []


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hec() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def open_journal(root: Path, role: str = "collector", **about: Any) -> Journal:
    me = identify_self()
    said = {
        "role": role,
        "node": me.node,
        "boot_id": me.boot_id,
        "pid": me.pid,
        "pid_started": me.pid_started,
        **about,
    }
    return Journal(root / "platform", about=lambda: said)


def say(journal: Journal, *numbers: int, **values: Any) -> None:
    for number in numbers:
        journal.write("log", {"event": f"line {number}", "level": 20, "logger": "source.x", **values})


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def sending(
    hec: Collector, root: Path, clock: Clock, route: Route | None = None, *, timeout_s: float = 5.0
) -> SinkShipper:
    sink = SplunkHECHandler(hec.url, lambda: TOKEN, timeout_s=timeout_s)
    OPEN.append(sink)
    return SinkShipper(root, sink, route, clock=clock)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def lines(*numbers: int) -> list[str]:
    return [f"line {number}" for number in numbers]


def test_lines_are_sent_once_and_a_sealed_journal_is_done(hec: Collector, root: Path, clock: Clock) -> None:
    journal, shipper = open_journal(root), sending(hec, root, clock)
    say(journal, 1, 2)
    journal.write("progress", {"solved": 1})
    shipper.ship_all()
    assert hec.events == []  # the database does not know the journal yet
    Shipper(root).ship(journal.path)
    shipper.ship_all()
    shipper.ship_all()
    assert hec.messages == lines(1, 2)
    assert hec.events[0]["source"] == "platform:collector"
    assert hec.events[0]["host"] == socket.gethostname()

    say(journal, 3)
    journal.close()
    assert shipper.ship(journal.path)
    assert hec.messages == lines(1, 2, 3)
    cursor = SinkCursor.objects.get()
    assert (cursor.sink, cursor.is_done, cursor.offset) == ("splunk", True, journal.path.stat().st_size)
    requests = hec.requests
    sending(hec, root, clock).ship_all()
    assert hec.requests == requests


def test_a_journal_whose_writer_died_is_done_when_the_database_says_so(
    hec: Collector, root: Path, clock: Clock
) -> None:
    journal, shipper = open_journal(root), sending(hec, root, clock)
    say(journal, 1)
    Shipper(root).ship(journal.path)
    with journal.path.open("ab") as file:
        file.write(b"torn")
    assert not shipper.ship(journal.path)
    JournalFile.objects.update(sealed_at=utc_now())

    assert shipper.ship(journal.path)
    assert hec.messages == lines(1)


@pytest.mark.parametrize(
    ("route", "sent"),
    [
        (Route(), 4),
        (Route(level=40), 1),
        (Route(logger="source"), 3),
        (Route(logger="source.shop"), 1),
        (Route(app="shop"), 4),
        (Route(app="shop.book"), 0),
    ],
)
def test_a_route_says_which_lines_a_sink_gets(
    hec: Collector, root: Path, clock: Clock, route: Route, sent: int
) -> None:
    journal = open_journal(root, app="shop.books.new")
    say(journal, 1, level=40)
    say(journal, 2, logger="source.shop.books")
    say(journal, 3, logger="source.shopping")
    say(journal, 4, logger="platform")
    Shipper(root).ship(journal.path)
    sending(hec, root, clock, route).ship_all()

    assert len(hec.events) == sent
    assert SinkCursor.objects.get().offset == journal.path.stat().st_size


def test_an_hour_without_splunk_costs_the_database_nothing_and_splunk_no_line(
    hec: Collector, root: Path, clock: Clock
) -> None:
    journal, database, shipper = open_journal(root), Shipper(root), sending(hec, root, clock)
    hec.mode = "busy"
    for second in range(3_600):
        clock.now += 1
        if second % 4 == 0:
            say(journal, second)
        if second % 60 == 0:
            database.ship(journal.path)
            assert Log.objects.count() == second // 4 + 1
        shipper.ship_all()
    assert hec.requests < 75  # once a minute, after a few quick attempts
    assert hec.events == []
    assert "Server is busy" in SinkCursor.objects.get().last_error

    hec.mode = "fine"
    for _ in range(61):
        clock.now += 1
        shipper.ship_all()
    assert hec.messages == lines(*range(0, 3_600, 4))
    assert len(set(hec.ids)) == 900
    cursor = SinkCursor.objects.get()
    assert (cursor.failures, cursor.last_error) == (0, "")


def test_a_slow_splunk_does_not_delay_the_database(hec: Collector, root: Path, clock: Clock) -> None:
    journal, database = open_journal(root), Shipper(root)
    say(journal, 0)
    database.ship(journal.path)
    hec.goes_on.clear()
    router = RouterHandler([sending(hec, root, clock, timeout_s=600)], period_s=0.01)
    router.start()
    wait_for(lambda: hec.requests == 1)
    for number in range(1, 20):
        say(journal, number)
        database.ship(journal.path)
    # Everything is stored while the first request waits for its answer still.
    assert Log.objects.count() == 20
    assert (hec.requests, hec.events) == (1, [])
    assert not SinkCursor.objects.exclude(last_error="").exists()
    hec.goes_on.set()
    wait_for(lambda: len(hec.events) == 20)
    router.close()

    assert hec.messages == lines(*range(20))
    assert not any(thread.name == "sink-splunk" for thread in threading.enumerate())


def test_what_was_taken_but_not_answered_comes_again_with_the_same_ids(
    hec: Collector, root: Path, clock: Clock
) -> None:
    journal, shipper = open_journal(root), sending(hec, root, clock)
    say(journal, 1, 2)
    Shipper(root).ship(journal.path)
    hec.mode = "takes and hangs up"
    shipper.ship_all()
    hec.mode, clock.now = "fine", clock.now + 60
    shipper.ship_all()

    assert hec.messages == lines(1, 2, 1, 2)
    assert len(set(hec.ids)) == 2


def test_an_event_that_splunk_cannot_read_is_set_aside_alone(hec: Collector, root: Path, clock: Clock) -> None:
    journal, shipper = open_journal(root), sending(hec, root, clock)
    say(journal, 1, 2)
    say(journal, 3, event=POISON)
    say(journal, 4)
    say(journal, 5, event=POISON)
    Shipper(root).ship(journal.path)
    shipper.ship_all()

    assert set(hec.messages) == set(lines(1, 2, 4))
    assert [row.reason for row in LogRejected.objects.order_by("seq")] == [
        "splunk: Splunk refuses it: Invalid data format."
    ] * 2
    assert SinkCursor.objects.get().offset == journal.path.stat().st_size
    assert Log.objects.count() == 5


def test_a_wrong_token_is_one_clear_state_and_a_right_one_is_picked_up(
    hec: Collector, root: Path, clock: Clock, settings: Any, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("wrong\n")
    settings.DC_SPLUNK_URL, settings.DC_SPLUNK_TOKEN, settings.DC_SPLUNK_TOKEN_FILE = hec.url, "wrong", token
    (shipper,) = configured_router(root).shippers
    shipper._clock = clock
    assert isinstance(shipper.sink, SplunkHECHandler)
    OPEN.append(shipper.sink)
    journals = [open_journal(root) for _ in range(3)]
    for number, journal in enumerate(journals):
        say(journal, number)
        Shipper(root).ship(journal.path)
    shipper.ship_all()
    said = [cursor.last_error for cursor in SinkCursor.objects.all()]
    assert said == [f"{hec.url} answered 403 (Invalid token): Splunk does not know the token; check DC_SPLUNK_TOKEN."]
    assert Log.objects.count() == 3

    token.write_text(TOKEN)
    clock.now += 60
    shipper.ship_all()
    assert sorted(hec.messages) == lines(0, 1, 2)
    assert not SinkCursor.objects.exclude(last_error="").exists()


def test_the_token_it_began_with_holds_while_its_file_is_away(settings: Any, tmp_path: Path) -> None:
    settings.DC_SPLUNK_TOKEN, settings.DC_SPLUNK_TOKEN_FILE = "first", tmp_path / "nothing"

    assert splunk_token() == "first"


def test_without_splunk_there_is_nothing_to_do(root: Path, settings: Any) -> None:
    settings.DC_SPLUNK_URL = None
    router = configured_router(root)
    router.start()
    router.close()

    assert list(router.shippers) == []


def test_one_process_of_a_machine_sends_at_a_time(hec: Collector, root: Path, clock: Clock) -> None:
    journal = open_journal(root)
    say(journal, *range(50))
    Shipper(root).ship(journal.path)
    hec.delay_s = 0.3

    def ship() -> None:
        try:
            sending(hec, root, clock).ship_all()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ship) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert hec.messages == lines(*range(50))


def test_a_journal_that_vanishes_holds_up_no_other(hec: Collector, root: Path, clock: Clock) -> None:
    first, second = sorted((open_journal(root), open_journal(root)), key=lambda journal: journal.path)
    for number, journal in enumerate((first, second)):
        say(journal, number)
        Shipper(root).ship(journal.path)
    first.path.unlink()
    first.path.symlink_to(root / "nowhere")
    sending(hec, root, clock).ship_all()

    assert hec.messages == lines(1)


def test_attempts_become_rarer_and_a_named_time_is_kept() -> None:
    back_off, waits = BackOff(), []
    for _ in range(8):
        back_off.fail(0.0)
        waits.append(back_off.until)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    back_off.succeed()
    back_off.fail(100.0, retry_after_s=120)
    assert back_off.until == 220
    back_off.fail(0.0, retry_after_s=10**9)
    assert back_off.until == 600
