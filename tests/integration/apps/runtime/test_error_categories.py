"""What a source raises or hands back decides what becomes of its app: from the line of an author to the row."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.db import OperationalError

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime import runner
from apps.runtime.claims import open_run
from apps.runtime.interrupts import Interrupts
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from collectors.contract import Context, Failure, Outcome
from collectors.toolkit.errors import Blocker, ParseError, RetryLater
from collectors.toolkit.scraping import CATEGORY_RULES, BaseScraper
from tests.integration.factories import make_app, make_source, storing

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def execute(main: Callable[[Context], Outcome | None]) -> Runtime:
    run = open_run(make_app(is_enabled=True), owner=identify_self(), args={}, now=utc_now())
    with Interrupts(grace_s=10) as interrupts:
        runner.execute(run, make_source(main), args={}, interrupts=interrupts, watch=lambda pulse: None)
    return Runtime.objects.select_related("app").get(pk=run.pk)


def raising(error: Exception) -> Callable[[Context], None]:
    def main(_context: Context) -> None:
        raise error

    return main


def scraping(error: Exception) -> Callable[[Context], Outcome]:
    class Failing(BaseScraper):
        abort_rule = CATEGORY_RULES

        def prepare_list(self) -> Iterable[int]:
            return range(50)

        def collect(self, item: int) -> Any:
            raise error

    return lambda context: Failing(context).run()


@pytest.mark.parametrize(
    ("main", "category", "is_blocked"),
    [
        (raising(Blocker("log in first")), "blocked", True),
        (raising(RetryLater("closed at night")), "retry_later", False),
        (raising(ParseError("no price")), "parse", False),
        (raising(OSError(errno.ENOSPC, "No space left on device")), "io", True),
        (raising(ZeroDivisionError()), "unknown", False),
        (storing([{"isbn": "1"}]), "database", True),
        (lambda _context: Failure(cause="No key.", category="captcha", is_blocked=True), "captcha", True),
        (scraping(ParseError("no price")), "parse", False),
        (scraping(OSError(errno.EROFS, "Read-only file system")), "io", True),
        (scraping(OperationalError("database is locked")), "platform", False),
    ],
    ids=["blocker", "later", "parse", "disk", "unknown", "row", "failure", "items", "item on disk", "away"],
)
def test_the_row_knows_what_kind_of_error_it_was(main: Any, category: str, is_blocked: bool) -> None:
    run = execute(main)
    assert (run.state, run.error_category, run.is_blocked) == (State.FAILED, category, is_blocked)
    assert run.cause
    assert run.app.is_enabled is not is_blocked
    assert run.app.fatal == (App.Fatal.BLOCKED if is_blocked else App.Fatal.NONE)
    assert run.app.failures_in_a_row == (0 if category == "platform" else 1)
