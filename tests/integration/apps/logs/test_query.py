"""What people type into the search box."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.logs.query import BadQuery, parse
from apps.logs.search import Filters
from apps.runtime.models import State
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def complaint(text: str) -> str:
    with pytest.raises(BadQuery) as caught:
        parse(text, now=NOW)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("", ()),
        ("   ", ()),
        ("timeout proxy", ("timeout", "proxy")),
        ('"connection refused" by', ("connection refused", "by")),
        ("status=503", ("status=503",)),
        ("https://shop.example/x", ("https://shop.example/x",)),
        ('"level:error"', ("level:error",)),
        ("Error: boom", ("Error:", "boom")),
        ("12:30:01", ("12:30:01",)),
        ('""', ()),
        ("it's 5 o'clock", ("it's", "5", "o'clock")),
        ("%_\\ * (", ("%_\\", "*", "(")),
    ],
)
def test_words_are_texts_that_must_stand_in_the_line(text: str, texts: tuple[str, ...]) -> None:
    assert parse(text, now=NOW) == Filters(texts=texts)


def test_qualifiers_become_filters() -> None:
    app = make_app()
    run = make_run(app, State.FAILED)
    found = parse(
        f"LEVEL:Warn boom app:{app.code} logger:source.x run:{run.pk[:8]} since:2h until:30min group:{'a' * 32}",
        now=NOW,
    )

    assert found == Filters(
        texts=("boom",),
        level=30,
        app_ids=(app.pk,),
        logger="source.x",
        runtime_ids=(run.pk,),
        since=NOW - timedelta(hours=2),
        until=NOW - timedelta(minutes=30),
        group="a" * 32,
    )


def test_the_id_of_a_run_alone_means_its_lines() -> None:
    run = make_run(make_app(), State.FAILED)

    assert parse(run.pk, now=NOW) == Filters(runtime_ids=(run.pk,))
    assert parse(f'"{run.pk}" x', now=NOW).texts == (run.pk, "x")
    assert parse("0" * 32, now=NOW) == Filters(texts=("0" * 32,))


def test_a_part_of_a_code_means_all_apps_that_have_it() -> None:
    apps = {make_app(f"shop.books.{name}").pk for name in ("new", "old")}
    make_app("bank.rates.daily")

    assert set(parse("app:BOOKS", now=NOW).app_ids or ()) == apps


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("since:90s", NOW - timedelta(seconds=90)),
        ("since:1w", NOW - timedelta(weeks=1)),
        ("since:2026-02-03", datetime(2026, 2, 3, tzinfo=UTC)),
        ("since:2026-02-03T14:30", datetime(2026, 2, 3, 14, 30, tzinfo=UTC)),
        ('since:"2026-02-03 14:30"', datetime(2026, 2, 3, 14, 30, tzinfo=UTC)),
        ("since:2026-02-03T14:30+02:00", datetime(2026, 2, 3, 12, 30, tzinfo=UTC)),
    ],
)
def test_times_are_spans_or_moments(text: str, moment: datetime) -> None:
    assert parse(text, now=NOW).since == moment


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"never closed', "A quote is opened and not closed"),
        ('level:"error', "A quote is opened and not closed"),
        ("level:loud", "level:loud is none; use debug, info"),
        ("level:", "level: needs a value"),
        ("level: error", "level: needs a value"),
        ("levle:error", 'Did you mean level:? To search for the text, write "levle:"'),
        ("app:nobody", "app:nobody is no app"),
        ("run:xyz", "run:xyz is no run"),
        ("run:abcdef", "is no run that is still known"),
        ("since:yesterday", "yesterday is no time; write 30min, 2h"),
        ("since:2026-13-45", "is no time"),
        ("since:99999999999d", "is no time"),
        ("group:abc", "group: wants the 32 characters"),
        ("since:1h until:2h", "since: is later than until:"),
        ("level:error level:info", "level: is there twice"),
        ("x" * 50_000, "A search may have at most 1,000 characters; this one has 50,000."),
    ],
)
def test_what_cannot_be_read_is_said_with_what_would_do(text: str, reason: str) -> None:
    assert reason in complaint(text)


class TestAnyQuery(TestCase):
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60))
    def test_any_text_is_a_search_or_a_complaint(self, text: str) -> None:
        try:
            outcome: Filters | BadQuery = parse(text, now=NOW)
        except BadQuery as error:
            outcome = error

        assert isinstance(outcome, Filters) or str(outcome).endswith(".")
