"""Splunk as a sink, against a server that fails in all the ways Splunk does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.core.clock import utc_now
from apps.logs.sinks import EventRefused, SinkEvent, SinkUnavailable
from apps.logs.splunk import MAX_EVENTS, SplunkHECHandler
from collectors.toolkit.journal import Frame
from tests.servers.hec import AUTHORITY, POISON, TOKEN, Collector, collector

OPEN: list[SplunkHECHandler] = []


@pytest.fixture
def hec() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def handler(hec: Collector, **options: Any) -> SplunkHECHandler:
    options = {"sleep": lambda _seconds: None, "timeout_s": 5.0, **options}
    OPEN.append(SplunkHECHandler(hec.url, lambda: TOKEN, **options))
    return OPEN[-1]


def event(number: int, text: str = "", **data: Any) -> SinkEvent:
    frame = Frame(number, "log", 1_760_000_000.25 + number, {"event": text or f"line {number}", "level": 20, **data}, 0)
    return SinkEvent("a" * 32, frame, node="box7", role="collector", runtime="b" * 32, app="shop.books.new")


def complaint(hec: Collector, mode: str, **options: Any) -> SinkUnavailable:
    hec.mode = mode
    with pytest.raises(SinkUnavailable) as caught:
        handler(hec, **options).write([event(1)])
    assert TOKEN not in str(caught.value)
    return caught.value


def test_an_event_says_when_and_where_it_happened_and_who_it_is(hec: Collector) -> None:
    handler(hec, index="collected").write(
        [event(7, level=40, logger="source.x", c={"url": "ö"}, exc="Boom", fp="f" * 32, line=3)]
    )

    assert hec.events == [
        {
            "time": 1_760_000_007.25,
            "host": "box7",
            "source": "shop.books.new",
            "sourcetype": "_json",
            "index": "collected",
            "event": {
                "message": "line 7",
                "level": "ERROR",
                "logger": "source.x",
                "line": 3,
                "exception": "Boom",
                "fingerprint": "f" * 32,
                "context": {"url": "ö"},
            },
            "fields": {"event_id": f"{'a' * 32}-7", "app": "shop.books.new", "runtime": "b" * 32},
        }
    ]


def test_many_events_travel_in_few_requests_and_in_order(hec: Collector) -> None:
    handler(hec).write([event(number) for number in range(3 * MAX_EVENTS)])

    assert hec.messages == [f"line {number}" for number in range(3 * MAX_EVENTS)]
    assert hec.requests == 3


@pytest.mark.parametrize("compress", [True, False])
def test_a_body_may_be_compressed(hec: Collector, compress: bool) -> None:
    handler(hec, compress=compress).write([event(1, "x" * 10_000)])

    assert hec.messages == ["x" * 10_000]


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("busy", "answered 503 (Server is busy)"),
        ("throttling", "answered 429"),
        ("broken", "answered 500"),
        ("disabled", "the token is disabled in Splunk; enable it there"),
        ("wrong index", "check DC_SPLUNK_INDEX"),
        ("wants a channel", "set DC_SPLUNK_ACK=yes"),
        ("moved", "answered 302"),
        ("not splunk", "answered 200 (no text that Splunk would send)"),
        ("lying", "answered 200 (Something else)"),
        ("hangs up", "cannot be reached"),
    ],
)
def test_a_collector_that_takes_nothing_is_named_with_its_reason(hec: Collector, mode: str, reason: str) -> None:
    error = complaint(hec, mode)

    assert reason in str(error)
    assert error.retry_after_s == (120.0 if mode == "throttling" else None)
    assert hec.events == []


def test_a_wrong_token_is_said_in_one_clear_sentence(hec: Collector) -> None:
    hec.token = "another"

    assert str(complaint(hec, "fine")) == (
        f"{hec.url} answered 403 (Invalid token): Splunk does not know the token; check DC_SPLUNK_TOKEN."
    )


def test_a_collector_that_does_not_answer_is_given_up(hec: Collector) -> None:
    hec.delay_s = 30

    assert "did not answer within 0.2 s" in str(complaint(hec, "fine", timeout_s=0.2))


def test_nobody_there_is_no_other_case() -> None:
    sink = SplunkHECHandler("http://127.0.0.1:9", lambda: TOKEN)
    with pytest.raises(SinkUnavailable, match="cannot be reached"):
        sink.write([event(1)])
    sink.close()


def test_an_event_that_cannot_be_read_is_pointed_out(hec: Collector) -> None:
    events = [event(number) for number in range(MAX_EVENTS + 10)]
    events[MAX_EVENTS + 3] = event(MAX_EVENTS + 3, POISON)
    with pytest.raises(EventRefused, match="Invalid data format") as caught:
        handler(hec).write(events)

    assert caught.value.index == MAX_EVENTS + 3


def test_a_body_that_is_too_large_is_halved_until_it_fits(hec: Collector) -> None:
    hec.most_bytes = 3_000
    handler(hec).write([event(number, "x" * 400) for number in range(40)])
    assert len(hec.ids) == len(set(hec.ids)) == 40

    with pytest.raises(EventRefused, match="takes no event of") as caught:
        handler(hec).write([event(1), event(2, "y" * 5_000)])
    assert caught.value.index == 1


def test_with_acknowledgement_it_waits_until_the_events_are_indexed(hec: Collector) -> None:
    pauses: list[float] = []
    handler(hec, ack=True, sleep=pauses.append).write([event(1)])

    assert hec.polls == 3
    assert len(pauses) == 2
    assert len(hec.channels) == 1


def test_events_that_are_never_acknowledged_are_not_done(hec: Collector) -> None:
    assert "did not acknowledge" in str(complaint(hec, "never acknowledges", ack=True, ack_timeout_s=5))
    assert "set DC_SPLUNK_ACK=no" in str(complaint(hec, "no acks", ack=True))


def test_its_certificate_is_always_verified() -> None:
    with collector(certificate="valid") as hec:
        handler(hec, ca_bundle=AUTHORITY).write([event(1)])
        assert hec.messages == ["line 1"]
        error = str(complaint(hec, "fine"))
        assert "not accepted: unable to get local issuer certificate" in error
        assert "DC_SPLUNK_CA_BUNDLE" in error
    with collector(certificate="expired") as hec:
        begun = utc_now()
        error = str(complaint(hec, "fine", ca_bundle=AUTHORITY))
        # Midnight may come between the two.
        days = {(moment - datetime(2020, 2, 1, tzinfo=UTC)).days for moment in (begun, utc_now())}
        assert any(f"certificate has expired, {count} days ago (2020-02-01)." in error for count in days)
        assert hec.requests == 0


def test_a_bundle_that_cannot_be_read_is_named(hec: Collector, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    assert f"DC_SPLUNK_CA_BUNDLE: {nothing} cannot be used: No such file" in str(
        complaint(hec, "fine", ca_bundle=nothing)
    )
    nothing.write_text("no certificate")
    assert "cannot be used" in str(complaint(hec, "fine", ca_bundle=nothing))
