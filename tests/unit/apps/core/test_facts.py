"""How pages write durations, sizes, numbers and moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.core.templatetags import facts
from apps.core.templatetags.facts import ago, moment, number, size, span


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A moment at which time stands still for pages."""
    at = datetime(2026, 5, 4, 23, 59, 30, tzinfo=UTC)
    monkeypatch.setattr(facts, "utc_now", lambda: at)
    monkeypatch.setattr(timezone, "now", lambda: at)
    return at


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0 s"), (0.25, "0.2 s"), (12.4, "12 s"), (61, "1 min 1 s"), (3600, "1 h"), (200_000, "2 d 7 h")],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, ">now<"), (-200, ">3 min ago<"), (90.5, ">in 1 min<"), (-90_000, ">1 d ago<")]
)
def test_a_moment_is_told_by_its_distance(seconds: float, text: str, now: datetime) -> None:
    assert text in ago(now + timedelta(seconds=seconds))


def test_the_exact_moment_is_in_the_tooltip(now: datetime) -> None:
    then = now - timedelta(days=3)
    assert f'title="{then:%Y-%m-%d %H:%M:%S} UTC"' in ago(then)
    assert f">{then:%Y-%m-%d %H:%M:%S}<" in moment(then)
    assert f">{now:%H:%M:%S}<" in moment(now)


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (999, "999 B"), (1500, "1.5 kB"), (88_000_000, "88.0 MB")])
def test_bytes_have_a_unit(value: int | None, text: str) -> None:
    assert size(value) == text


def test_thousands_are_apart() -> None:
    assert number(1234567) == "1\u2009234\u2009567"
    assert number(None) == "-"
