"""Rows and sources that tests begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from apps.core.clock import database_now, utc_now
from apps.registry.models import App
from apps.registry.services import register_app
from apps.runtime.models import Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.nodes import LEASE
from apps.runtime.process import identify_self
from collectors.contract import Context, Outcome
from collectors.identity import parse_code
from collectors.loader import Source
from collectors.sources.examples.shop.books.models import Book

BOOKS = "examples.shop.books"


def book(number: int, **values: Any) -> dict[str, Any]:
    """A row of the table of books."""
    return {
        "isbn": f"{number:013}",
        "title": f"Book {number}",
        "author": "A. Writer",
        "category": "Novels",
        "price": "9.90",
        "stock": 3,
        **values,
    }


def books(numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Several of them."""
    return [book(number) for number in numbers]


def make_app(code: str = BOOKS, **values: Any) -> App:
    """An app on the register, with these fields."""
    app = register_app(parse_code(code))
    for name, value in values.items():
        setattr(app, name, value)
    app.save()
    return app


def make_run(app: App, state: State = State.QUEUED, **values: Any) -> Runtime:
    """A run of `app` in `state`, with what its constraints ask for."""
    now = utc_now()
    values.setdefault("trigger", Runtime.Trigger.ADMIN)
    if state not in (State.QUEUED, State.STARTING, State.RUNNING, State.STOPPING):
        values.setdefault("ended_at", now)
    elif state != State.QUEUED:
        values.setdefault("slot", 0)
    return Runtime.objects.create(app=app, state=state, queued_at=now, **values)


def make_node(**values: Any) -> Node:
    """A manager on this machine that is alive: this process."""
    me, now = identify_self(), database_now()
    known = {"host": me.node, "boot_id": me.boot_id, "pid": me.pid, "pid_started": me.pid_started}
    times = {"started_at": now, "heartbeat_at": now, "lease_until": now + LEASE}
    return Node.objects.create(**{**known, **times, **values})


def make_source(main: Callable[[Context], Outcome | None], code: str = BOOKS) -> Source:
    """A source that does what `main` does, in the room of `code`."""
    return Source(parse_code(code), None, lambda context: main(context) or Outcome())


def storing(rows: Iterable[Any], **options: Any) -> Callable[[Context], None]:
    """A main that merges these books."""

    def main(context: Context) -> None:
        context.records.merge(Book, rows, **options)

    return main
