"""Log lines across runs, and the errors among them, for programs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query
from pydantic import Field

from apps.accounts.policy import everywhere
from apps.api.access import asker, visible
from apps.api.paging import decode, encode, not_a_cursor
from apps.api.problems import Fault, Problem
from apps.api.schemas import Answer, Many, Moment, reply
from apps.api.section import Section
from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.logs.query import BadQuery, parse
from apps.logs.search import Filters, search
from apps.registry.models import App

section = Section("logs")

VIEW = "logs.view_log"
#: So long a search looks before it says how far it came.
BUDGET_S = 2.0


class LineOut(Answer):
    """One line of a log."""

    app: str | None = Field(description="null: the platform itself.", examples=["examples.shop.books"])
    run: str | None = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    line: int | None = Field(description="Its number within the run.", examples=[41])
    at: Moment
    level: str = Field(examples=["ERROR"])
    logger: str = Field(examples=["scraping"])
    message: str = Field(examples=["page.failed"])
    context: Any = Field(
        description="What was said beside it.", examples=[{"url": "https://example.com/1", "status": 500}]
    )
    exception: str
    place: str = Field(description="Where in the code.", examples=["main.collect:41"])
    group: str = Field(description="Equal for errors that are one.")


class FoundLines(Answer):
    """Lines, newest first. There may be none and still a `next_cursor`: the time was over, go on."""

    items: list[LineOut]
    next_cursor: str | None = Field(examples=[None])
    searched_to: Moment | None = Field(description="The oldest moment that was looked at.")


class Search(Many):
    """Which lines."""

    q: str = Field("", max_length=1_000, description='As on the page: level:error app:shop since:2h "two words".')


@section.get("/logs", name="searchLogs", permission=VIEW, answer=FoundLines)
def search_logs(request: HttpRequest, wanted: Query[Search]) -> HttpResponse:
    """Search the lines of all runs."""
    try:
        filters = parse(wanted.q, now=utc_now())
    except BadQuery as error:
        raise Problem("invalid", str(error), errors=[Fault(detail=str(error), parameter="q")]) from None
    before = _place(wanted.cursor) if wanted.cursor else None
    page = search(_allowed(request, filters), before_id=before, limit=wanted.limit, budget_s=BUDGET_S)
    following = encode(["line", page.next_cursor]) if page.next_cursor is not None else None
    items = [line_out(line) for line in page.lines]
    return reply(FoundLines.model_construct(items=items, next_cursor=following, searched_to=page.searched_to))


def _place(cursor: str) -> int:
    match decode(cursor):
        case ["line", int() as number] if 0 <= number < 2**63:
            return number
    raise not_a_cursor()


def _allowed(request: HttpRequest, filters: Filters) -> Filters:
    """Who may see some apps sees their lines, and none of the platform's own."""
    if everywhere(asker(request), VIEW):
        return filters
    seen = set(visible(request, VIEW, App.objects.all()).values_list("pk", flat=True))
    wanted = seen if filters.app_ids is None else seen & set(filters.app_ids)
    return replace(filters, app_ids=tuple(wanted))


def line_out(line: Log) -> LineOut:
    """A line as it is shown."""
    place = ".".join(filter(None, (line.module, line.function)))
    return LineOut.model_construct(
        app=line.app.code if line.app else None,
        run=line.runtime_id,
        line=line.line_number,
        at=line.logged_at,
        level=Log.Level(line.level).name if line.level in Log.Level.values else str(line.level),
        logger=line.logger,
        message=line.message,
        context=line.context_json,
        exception=line.exception,
        place=f"{place}:{line.source_line}" if line.source_line and place else place,
        group=line.fingerprint,
    )
