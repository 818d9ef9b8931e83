"""When a cron expression matches, held against a scan of every minute that knows nothing of how it is computed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registry.cron import BadSchedule, check_cron, last_matches, next_match, zone_named, zones
from tests.cron_scan import HOUR, MINUTE, Fields, changes, scan


def matches(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    found = []
    moment = next_match(expression, zone, after)
    while moment is not None and moment <= until:
        found.append(moment)
        moment = next_match(expression, zone, moment)
    return found


EVERY_SEVEN = Fields(minutes=frozenset(range(0, 60, 7)))
NIGHTLY = Fields(minutes=frozenset({5, 30}), hours=frozenset({0, 1, 2, 3, 4, 22, 23}))


def test_every_zone_is_right_around_every_time_its_clocks_are_set() -> None:
    seen: set[tuple[datetime, timedelta | None, timedelta | None]] = set()
    for zone in sorted(zones()):
        where = ZoneInfo(zone)
        for change in changes(zone, 2025, 2026):
            offsets = ((change - MINUTE).astimezone(where).utcoffset(), change.astimezone(where).utcoffset())
            if (change, *offsets) in seen:
                continue  # another name of a zone, or a neighbour with the same clocks
            seen.add((change, *offsets))
            after, until = change - 2 * HOUR, change + 3 * HOUR
            for fields in (EVERY_SEVEN, NIGHTLY):
                expected = scan(fields, zone, after, until)
                assert matches(str(fields), zone, after, until) == expected, (zone, change, str(fields))
    assert len(seen) > 100


def sets(first: int, last: int, most: int) -> st.SearchStrategy[frozenset[int]]:
    whole = st.just(frozenset(range(first, last + 1)))
    return whole | st.frozensets(st.integers(first, last), min_size=1, max_size=most)


expressions = st.builds(
    Fields,
    minutes=sets(0, 59, 4),
    hours=sets(0, 23, 6),
    days=sets(1, 31, 10),
    months=sets(1, 12, 6),
    weekdays=sets(1, 7, 4),
)


@given(
    expressions,
    st.sampled_from(sorted(zones())),
    st.integers(1995, 2036),
    st.integers(0, 3),
    st.integers(-26 * 60, 26 * 60),
)
def test_it_matches_when_a_scan_of_every_minute_does(
    fields: Fields, zone: str, year: int, which: int, minutes: int
) -> None:
    near = changes(zone, year, year) or (datetime(year, 2, 28, 12, tzinfo=UTC),)
    after = near[which % len(near)] + minutes * MINUTE
    until = after + 30 * HOUR
    found = matches(str(fields), zone, after, until)
    assert found == scan(fields, zone, after, until)
    assert all(earlier < later for earlier, later in pairwise(found))


@given(expressions, st.sampled_from(sorted(zones())), st.integers(1, 200), st.integers(1, 40))
def test_the_newest_matches_are_the_end_of_all_matches(fields: Fields, zone: str, hours: int, most: int) -> None:
    until = datetime(2026, 3, 29, 12, tzinfo=UTC)
    after = until - hours * HOUR
    expected = matches(str(fields), zone, after, until)[-most:]
    assert last_matches(str(fields), zone, after, until, most=most) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # Skipped: right after the gap, and once for all of them.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:30+0200"]),
        ("15,45 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:15+0200"]),
        # Shown twice: the first time.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["10-25 02:30+0200", "10-26 02:30+0100"]),
        # Every hour is an hour apart, whatever the clock shows.
        ("0 * * * *", "Europe/Berlin", "2026-03-29T00:30", ["03-29 03:00+0200", "03-29 04:00+0200"]),
        ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30", ["10-25 02:00+0200", "10-25 02:00+0100"]),
        # The clock skipped a whole day.
        ("0 12 * * *", "Pacific/Apia", "2011-12-30T00:00", ["12-31 00:00+1400", "12-31 12:00+1400"]),
        # A gap of half an hour; one at midnight.
        ("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["10-04 02:30+1100", "10-05 02:10+1100"]),
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", ["04-24 01:00+0300", "04-25 00:00+0300"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["02-29 00:00+0000", "02-29 00:00+0000"]),
        ("0 8 * * MON#1", "UTC", "2026-01-01T00:00", ["01-05 08:00+0000", "02-02 08:00+0000"]),
        ("0 8 L * *", "UTC", "2026-01-01T00:00", ["01-31 08:00+0000", "02-28 08:00+0000"]),
    ],
)
def test_the_clock_on_the_wall_decides(expression: str, zone: str, after: str, expected: list[str]) -> None:
    first = next_match(expression, zone, datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert first is not None
    second = next_match(expression, zone, first)
    assert second is not None
    assert [f"{moment.astimezone(ZoneInfo(zone)):%m-%d %H:%M%z}" for moment in (first, second)] == expected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "has 0 fields; a cron expression has five: minute, hour"),
        ("hourly", "has one field"),
        ("0 * * * * *", "has 6 fields"),
        ("60 * * * *", "the minute is wrong"),
        ("* 24 * * *", "the hour is wrong"),
        ("* * 0 * *", "the day of the month is wrong"),
        ("* * * 13 *", "the month is wrong"),
        ("* * * * 8", "the day of the week is wrong"),
        ("*/0 * * * *", "the minute is wrong"),
        ("0 0 30 2 *", "the day of the month is wrong"),
        ("0 0 * * L", "the day of the week is wrong"),
        ("0 0 ٣ * *", "the day of the month is wrong"),
        ("0 0 29 2 MON#5,x", "the day of the week is wrong"),
        ("@daily", "has one field"),
    ],
)
def test_what_is_no_cron_expression_is_refused_with_what_is_wrong(expression: str, said: str) -> None:
    with pytest.raises(BadSchedule) as caught:
        check_cron(expression, "UTC", after=datetime(2026, 1, 1, tzinfo=UTC))
    assert caught.value.field == "cron"
    assert said in str(caught.value)


@given(st.text(alphabet="0123456789*/,-#LWSUNMON? \t\n", max_size=30) | st.text(max_size=30))
def test_no_text_at_all_gives_anything_but_a_match_or_a_refusal(expression: str) -> None:
    after = datetime(2026, 3, 28, tzinfo=UTC)
    try:
        found = next_match(expression, "Europe/Berlin", after)
    except BadSchedule:
        return
    assert found is None or found > after


@pytest.mark.parametrize("name", ["", "Berlin", "Europe/Berln", "../../etc/passwd", "localtime", "UTC+1", "x" * 64])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(BadSchedule, match="is not a time zone") as caught:
        zone_named(name)
    assert caught.value.field == "time_zone"


def test_a_mistyped_zone_is_told_the_right_one() -> None:
    with pytest.raises(BadSchedule, match="did you mean Europe/Berlin"):
        zone_named("Europe/Berln")
