"""When a run gives up: counts, rows of failures, shares; for all errors or for each kind."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pytest

from collectors.contract import Ending, Failure
from collectors.toolkit.errors import CaptchaFailed, ParseError, ProxyFailed, SiteUnreachable
from collectors.toolkit.scraping import CATEGORY_RULES, AbortRule, BaseScraper, CategoryRule
from collectors.toolkit.scraping.rules import Judge, Rules
from collectors.toolkit.testing import make_context


def first_verdict(rules: Rules, plan: Iterable[str]) -> tuple[int, str] | None:
    """The item at which the run gives up, counted from 1, and over which category. `.` is a success."""
    judge = Judge(rules)
    for number, category in enumerate(plan, start=1):
        if category == ".":
            judge.success()
        elif verdict := judge.failure(category):
            return number, verdict.category
    return None


OK = "."


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (["http"] * 4 + [OK] * 90, None),
        ([OK] * 50 + ["http", "parse", "http", "unknown", "parse"], (55, "parse")),
        ([OK] * 8 + ["http"] + [OK] * 8 + ["http"] * 3, None),
        ([OK] * 8 + ["http"] + [OK] * 8 + ["http"] * 4, (21, "http")),
        ([OK] * 80 + ["http"] * 4 + [OK] + ["http"] * 4, None),
    ],
)
def test_the_flat_rule_takes_all_errors_alike(plan: list[str], expected: tuple[int, str] | None) -> None:
    assert first_verdict(AbortRule(), plan) == expected


def test_a_share_is_strictly_more_and_needs_ten_items() -> None:
    pattern = [OK, OK, OK, OK, "http"]  # a fifth, and no more
    assert first_verdict(AbortRule(consecutive=0), pattern * 30) is None
    assert first_verdict(AbortRule(consecutive=0), ["http"] * 9) is None
    assert first_verdict(AbortRule(consecutive=0), ["http"] * 10) == (10, "http")


def test_a_site_that_begins_to_fail_late_is_noticed() -> None:
    plan = [OK] * 5_000 + [OK, "http"] * 200
    number, _category = first_verdict(AbortRule(), plan) or (0, "")
    assert 5_000 < number <= 5_050


@pytest.mark.parametrize("rules", [AbortRule(), AbortRule(consecutive=0, percent=0), CATEGORY_RULES])
@pytest.mark.parametrize("category", ["database", "io"])
def test_a_blocker_ends_the_run_at_the_first_error(rules: Rules, category: str) -> None:
    judge = Judge(rules)
    verdict = judge.failure(category)
    assert verdict is not None
    assert (verdict.category, verdict.is_blocked) == (category, True)


def test_a_database_that_is_away_ends_the_run_and_blocks_nothing() -> None:
    verdict = Judge(AbortRule()).failure("platform")
    assert verdict is not None
    assert not verdict.is_blocked


@pytest.mark.parametrize(
    ("category", "in_a_row"), [("captcha", 3), ("proxy", 10), ("http", 5), ("parse", 5), ("unknown", 5)]
)
def test_each_category_has_a_row_that_is_too_long(category: str, in_a_row: int) -> None:
    plan = [OK] * 100 + [category] * 20
    assert first_verdict(CATEGORY_RULES, plan) == (100 + in_a_row, category)


@pytest.mark.parametrize(("category", "percent"), [("captcha", 10), ("proxy", 30), ("http", 20), ("parse", 15)])
def test_each_category_has_a_share_that_is_too_large(category: str, percent: int) -> None:
    rules = {category: CategoryRule(percent=CATEGORY_RULES[category].percent)}
    assert CATEGORY_RULES[category].percent == percent
    assert first_verdict(rules, [OK] * 300 + [category] * percent) is None
    assert first_verdict(rules, [OK] * 300 + [category] * (percent + 1)) == (300 + percent + 1, category)


def test_captchas_are_counted_over_the_whole_run() -> None:
    plan = ([OK] * 500 + ["captcha"]) * 6
    assert first_verdict(CATEGORY_RULES, plan) == (5 * 501, "captcha")


def test_failures_of_another_category_end_no_row_and_a_success_ends_all() -> None:
    plan = [OK] * 100 + ["http", "http", "parse", "http", "http", "parse", "http"]
    assert first_verdict(CATEGORY_RULES, plan) == (107, "http")
    assert first_verdict(CATEGORY_RULES, [OK] * 100 + ["http"] * 4 + [OK] + ["http"] * 4) is None


def test_a_category_nobody_thought_of_is_judged_as_unknown() -> None:
    assert first_verdict(CATEGORY_RULES, [OK] * 100 + ["weather"] * 5) == (105, "weather")
    assert first_verdict({"http": CategoryRule()}, [OK] * 100 + ["unknown"] * 5) == (105, "unknown")


class Raising(BaseScraper):
    model: ClassVar[type | None] = None
    plan: ClassVar[dict[int, Exception]] = {}

    def prepare_list(self) -> Iterable[int]:
        return range(100)

    def collect(self, item: int) -> Iterator[Any]:
        if item in self.plan:
            raise self.plan[item]
        return iter(())


def run(plan: dict[int, Exception], abort_rule: Rules = CATEGORY_RULES) -> Any:
    return type("Planned", (Raising,), {"plan": plan, "abort_rule": abort_rule})(make_context()).run()


def test_what_the_run_gave_up_over_is_in_its_outcome() -> None:
    outcome = run({n: CaptchaFailed("no answer") for n in range(50, 60)})
    assert isinstance(outcome, Failure)
    assert (outcome.ending, outcome.complete, outcome.category, outcome.is_blocked) == (
        Ending.FAILED,
        False,
        "captcha",
        False,
    )
    assert outcome.cause == "Gave up after 3 errors of the category captcha in a row. The last error: no answer"


def test_a_full_disk_blocks_even_where_the_author_thought_of_nothing() -> None:
    outcome = run({3: OSError(errno.ENOSPC, "No space left on device")}, AbortRule())
    assert (outcome.category, outcome.is_blocked) == ("io", True)
    assert outcome.cause.startswith("Gave up after 1 error of the category io.")


def test_errors_that_nobody_expected_are_judged_too() -> None:
    outcome = run({n: KeyError("price") for n in range(20, 40)})
    assert (outcome.ending, outcome.category) == (Ending.FAILED, "unknown")


def test_a_run_in_which_nothing_worked_names_what_most_errors_were() -> None:
    few = {0: SiteUnreachable("x", url="u"), 1: ProxyFailed("x", url="u"), 2: ProxyFailed("x", url="u")}
    context = make_context(limit=3)
    outcome = type("Planned", (Raising,), {"plan": few})(context).run()
    assert (outcome.ending, outcome.category) == (Ending.FAILED, "proxy")


def test_parse_errors_below_the_limit_fail_no_run() -> None:
    outcome = run({n: ParseError("x") for n in range(30, 34)})
    assert outcome.ending is Ending.SUCCEEDED
