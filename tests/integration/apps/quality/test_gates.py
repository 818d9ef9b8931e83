"""Before a merge is committed, rules look at its numbers; what they stop is rolled back, and the run says why."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.quality import services
from apps.quality.models import Dataset, LetThrough, Measurement
from apps.runtime.models import State
from collectors.contract import Context
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import MergeBlocked
from tests.integration.apps.quality.runs import LABEL, current, execute, measured, merge, room_rules, rule
from tests.integration.factories import book, books, make_app, storing
from tests.integration.people import make_person

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_an_empty_result_is_stopped_where_it_would_take_rows_away() -> None:
    merge(*books(range(4)))

    run = merge()

    assert (run.state, run.error_category, run.is_blocked) == (State.FAILED, "quality", False)
    assert run.cause == "Book: the run brought no rows while 4 are current; nothing was archived (empty_result)."
    assert len(current()) == 4
    assert run.app.is_enabled
    first, blocked = measured()
    assert (first.outcome, blocked.outcome, blocked.cause) == ("pass", "block", run.cause)
    assert (blocked.runtime, blocked.current, blocked.seen) == (run.pk, 4, 0)


def test_an_empty_result_takes_nothing_away_where_nothing_is_or_everything_is_kept() -> None:
    assert merge().state == State.SUCCEEDED
    merge(*books(range(4)))

    assert merge(missing="keep").state == State.SUCCEEDED
    assert merge(complete=False).state == State.SUCCEEDED
    assert len(current()) == 4


@pytest.mark.parametrize("missing", ["archive", "delete"])
def test_a_merge_that_takes_away_more_than_half_is_stopped(missing: str) -> None:
    merge(*books(range(10)))

    run = merge(*books(range(4)), missing=missing)

    what = {"archive": "archived", "delete": "deleted"}[missing]
    assert run.state == State.FAILED
    assert run.cause == (
        f"Book: 6 of 10 current rows would be {what}, more than 50%; nothing was written (archived_share)."
    )
    assert len(current()) == Book.objects.count() == 10


def test_half_of_the_rows_may_go_and_all_of_them_may_change() -> None:
    merge(*books(range(10)))

    assert merge(*books(range(5))).rows_archived == 5
    changed = merge(*(book(number, stock=9) for number in range(5)))
    assert (changed.state, changed.rows_archived, changed.rows_inserted) == (State.SUCCEEDED, 5, 5)
    assert merge(*books([7]), missing="keep").state == State.SUCCEEDED


def test_an_installation_says_what_is_ordinary() -> None:
    merge(*books(range(10)))
    rule("archived_share", maximum=0.9)
    rule("empty_result", allowed=True)

    assert merge(*books([1])).rows_archived == 9
    assert merge().rows_archived == 1
    assert current() == {}


def test_a_room_says_what_is_ordinary_and_the_installation_has_the_last_word(tmp_path: Path) -> None:
    merge(*books(range(10)))
    rules = (
        "from collectors.sources.examples.shop.books.models import Book\n"
        "from collectors.toolkit.quality import ArchivedShare, DatasetRules\n"
        "class BookRules(DatasetRules):\n"
        "    model = Book\n"
        "    rules = (ArchivedShare(maximum=0.7),)\n"
    )
    with room_rules(tmp_path, rules):
        assert merge(*books(range(3))).rows_archived == 7
        rule("archived_share", maximum=0.1)
        assert merge(*books(range(2))).state == State.FAILED


def test_a_broken_rules_file_stops_the_merge_and_says_where(tmp_path: Path) -> None:
    with room_rules(tmp_path, "from collectors.toolkit.quality import Rnage\n"):
        run = merge(*books(range(2)))

    assert run.state == State.FAILED
    assert run.cause.startswith("The rules.py of examples.shop.books cannot be used: ")
    assert "Rnage" in run.cause
    assert current() == {}
    assert [measure.outcome for measure in measured()] == ["block"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"field": "prize", "minimum": 0}, 'has no field "prize"'), ({"field": "price"}, "name a minimum")],
)
def test_a_rule_that_makes_no_sense_any_more_stops_the_merge(parameters: dict[str, Any], words: str) -> None:
    rule("range", **parameters)

    run = merge(*books(range(2)))

    assert run.state == State.FAILED
    assert words in run.cause.replace("Name", "name")


def test_the_number_of_rows_is_held_against_earlier_runs() -> None:
    rule("row_count", tolerance=4, cold_start=3)
    for _ in range(3):
        assert merge(*books(range(20)), missing="keep").state == State.SUCCEEDED

    run = merge(*books(range(3)), missing="keep")

    assert run.state == State.FAILED
    assert run.cause == "Book: 3 rows came; between 16 and 24 are usual (row_count)."
    # What was stopped does not become usual; a limited run says nothing about how many there are.
    assert merge(*books(range(3)), complete=False).state == State.SUCCEEDED


def test_a_warning_is_written_down_and_stops_nothing() -> None:
    rule("row_count", severity="warn", minimum=5)

    run = merge(*books(range(2)))

    assert (run.state, run.rows_inserted) == (State.SUCCEEDED, 2)
    (measure,) = measured()
    assert (measure.outcome, measure.cause) == ("warn", "Book: 2 rows came, at least 5 are expected.")
    assert Dataset.objects.get(label=LABEL).outcome == "warn"


def test_what_a_gate_stops_takes_the_whole_transaction_with_it() -> None:
    merge(*books(range(4)))

    def main(context: Context) -> None:
        with context.records.transaction():
            context.records.merge(Book, books(range(5, 9)), missing="keep")
            context.records.merge(Book, [])

    assert execute(main).state == State.FAILED
    assert sorted(current()) == ["0", "1", "2", "3"]


def test_a_dry_run_says_what_the_rules_would_say_and_writes_nothing_down() -> None:
    merge(*books(range(4)))

    run = execute(storing([]), is_dry_run=True)

    assert (run.state, len(current())) == (State.FAILED, 4)
    assert Measurement.objects.count() == 1


def test_a_person_lets_one_merge_through() -> None:
    merge(*books(range(10)))
    assert merge(*books([1])).state == State.FAILED
    somebody = make_person("operator", name="olga")

    granted = services.let_through(LABEL, actor=somebody, source="ADMIN", now=utc_now())
    # A merge that takes nothing away has no use for it.
    merge(*books([1]), missing="keep")
    run = merge(*books([1]))

    assert (run.state, run.rows_archived) == (State.SUCCEEDED, 9)
    assert measured()[-1].outcome == "warn"
    assert "let through by olga" in measured()[-1].cause
    granted.refresh_from_db()
    assert granted.used_by_run == run.pk
    merge(*books(range(10)), missing="keep")
    assert merge(*books([1])).state == State.FAILED
    assert AuditEntry.objects.get(action="quality.let_through").actor == somebody


def test_the_next_merge_that_is_judged_uses_it_up_whether_it_needs_it_or_not() -> None:
    merge(*books(range(10)))
    services.let_through(LABEL, actor=None, source="SHELL", now=utc_now())

    merge(*books(range(10)))

    assert LetThrough.objects.get().used_at is not None
    assert merge(*books([1])).state == State.FAILED


def test_a_word_that_is_a_week_old_counts_no_more() -> None:
    merge(*books(range(10)))
    services.let_through(LABEL, actor=None, source="SHELL", now=utc_now() - timedelta(days=8))

    assert merge(*books([1])).state == State.FAILED
    # And a new one takes its place.
    services.let_through(LABEL, actor=None, source="SHELL", now=utc_now())
    assert merge(*books([1])).state == State.SUCCEEDED


def test_a_source_may_catch_what_a_rule_says() -> None:
    merge(*books(range(4)))

    def main(context: Context) -> None:
        with pytest.raises(MergeBlocked):
            context.records.merge(Book, [])

    assert execute(main).state == State.SUCCEEDED


def test_a_merge_is_measured_with_its_numbers() -> None:
    merge(*books(range(4)))
    merge(book(0), book(1, stock=1), book(2, author=""), book(2, author=""))

    first, second = measured()
    assert (first.merge, first.outcome, first.freshness_s, first.completeness, first.consistency) == (
        1, "pass", None, 1.0, 1.0,
    )  # fmt: skip
    numbers = (second.current, second.seen, second.inserted, second.archived, second.changed, second.unchanged)
    assert numbers == (4, 4, 2, 3, 2, 1)
    assert second.duplicates == 1
    assert second.freshness_s is not None
    assert second.completeness is not None
    assert 0.9 < second.completeness < 1
    dataset = Dataset.objects.get(label=LABEL)
    assert (dataset.app_id, dataset.runtime, dataset.trend) == (
        make_app().pk, second.runtime, [[4, "pass"], [4, "pass"]],
    )  # fmt: skip
