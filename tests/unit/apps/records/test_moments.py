"""What people write for the moment they want to see a table at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.records.moments import BadMoment, read_moment

#: A Sunday in winter: 13:00 in Berlin.
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _berlin() -> Iterator[None]:
    with timezone.override("Europe/Berlin"):
        yield


@pytest.mark.parametrize(
    ("day", "clock", "moment"),
    [
        ("2026-11-20", "14:30", datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
        ("2026-07-20", "14:30:59", datetime(2026, 7, 20, 12, 30, 59, tzinfo=UTC)),
        ("2026-11-20", "14:30:00.000001", datetime(2026, 11, 20, 13, 30, 0, 1, tzinfo=UTC)),
        ("2026-11-20T14:30", "", datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
        ("2026-11-20T14:30:00Z", "", datetime(2026, 11, 20, 14, 30, tzinfo=UTC)),
        ("2026-11-20T14:30:00-05:00", "", datetime(2026, 11, 20, 19, 30, tzinfo=UTC)),
        ("2026-11-20T14:30:00 01:00", "", datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
        (" 2026-11-20 ", " 14:30 ", datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_on_the_wall_clock_unless_it_brings_an_offset(day: str, clock: str, moment: datetime) -> None:
    assert read_moment(day, clock, now=NOW) == moment


def test_a_day_without_a_time_is_its_end() -> None:
    assert read_moment("2026-11-20", now=NOW) == datetime(2026, 11, 20, 22, 59, 59, 999999, tzinfo=UTC)
    # The day on which clocks are set back has 25 hours.
    assert read_moment("2026-10-25", now=NOW) == datetime(2026, 10, 25, 22, 59, 59, 999999, tzinfo=UTC)


def test_today_without_a_time_is_now() -> None:
    assert read_moment("2026-11-22", now=NOW) == NOW


def test_a_time_that_comes_twice_is_the_later_one() -> None:
    assert read_moment("2026-10-25", "02:30", now=NOW) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "clock", "words"),
    [
        ("31.10.2026", "", '"31.10.2026" is not a date; write it as 2026-10-31'),
        ("2026-02-30", "", '"2026-02-30" is not a date'),
        ("2026-11-20", "half past two", '"half past two" is not a time; write it as 14:30'),
        ("2026-11-20", "25:00", '"25:00" is not a time'),
        ("2026-03-29", "02:30", "2026-03-29 02:30 never was in Europe/Berlin: clocks were set forward"),
        ("2026-11-23", "", "2026-11-23 lies in the future: what is known ends at 2026-11-22 13:00:00 CET"),
        ("2026-11-22", "13:00:01", "lies in the future"),
        ("9999-12-31", "", "outside of the years"),
        ("0001-01-01T00:00:00", "", "outside of the years"),
        ("x" * 500, "", f'"{"x" * 40}…" is not a date'),
        ("\x00", "", "is not a date"),
    ],
)
def test_what_is_no_moment_is_refused_in_a_sentence(day: str, clock: str, words: str) -> None:
    with pytest.raises(BadMoment) as refusal:
        read_moment(day, clock, now=NOW)
    assert words in str(refusal.value)


def test_now_itself_is_not_the_future() -> None:
    assert read_moment(NOW.isoformat(), now=NOW) == NOW
    with pytest.raises(BadMoment):
        read_moment((NOW + timedelta(microseconds=1)).isoformat(), now=NOW)
