"""Runs of the room of books, in this process, from the row of the run to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import close_old_connections

from apps.core.clock import utc_now
from apps.quality.models import Dataset, Measurement, QuarantinedRow, Rule
from apps.runtime import runner
from apps.runtime.claims import open_run
from apps.runtime.interrupts import Interrupts
from apps.runtime.models import Runtime
from apps.runtime.process import identify_self
from collectors.contract import Context, Outcome
from collectors.sources.examples.shop import books as room
from collectors.sources.examples.shop.books.models import Book
from tests.integration.factories import make_app, make_source, storing

LABEL = Book._meta.label_lower
RULES = f"{room.__name__}.rules"


def execute(main: Callable[[Context], Outcome | None], **values: Any) -> Runtime:
    run = open_run(make_app(is_enabled=True), owner=identify_self(), args={}, now=utc_now(), **values)
    with Interrupts(grace_s=5) as interrupts:
        runner.execute(run, make_source(main), args={}, interrupts=interrupts, watch=lambda pulse: None)
    run.refresh_from_db()
    return run


def merge(*rows: dict[str, Any], **options: Any) -> Runtime:
    """A run that merges these books."""
    return execute(storing(list(rows), **options))


def rule(kind: str, severity: str = "block", **parameters: Any) -> Rule:
    return Rule.objects.create(label=LABEL, kind=kind, severity=severity, parameters=parameters)


def current() -> dict[str, Book]:
    return {row.isbn.lstrip("0") or "0": row for row in Book.objects.current()}


def held() -> list[QuarantinedRow]:
    return list(QuarantinedRow.objects.filter(state=QuarantinedRow.State.HELD).order_by("row"))


def measured() -> list[Measurement]:
    return list(Measurement.objects.filter(dataset=Dataset.objects.get(label=LABEL)).order_by("id"))


@contextmanager
def room_rules(folder: Path, text: str) -> Iterator[None]:
    """The room of books has this `rules.py`."""
    (folder / "rules.py").write_text(text)
    room.__path__.append(str(folder))
    try:
        yield
    finally:
        room.__path__.remove(str(folder))
        sys.modules.pop(RULES, None)
        vars(room).pop("rules", None)


def in_thread(work: Callable[[], Any], results: list[Any]) -> None:
    """For a thread of its own: with a connection of its own, which is closed."""
    try:
        results.append(work())
    finally:
        close_old_connections()
