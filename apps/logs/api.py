"""Log lines across runs, and the errors among them, for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import AwareDatetime, Field, Strict

from apps.accounts.policy import everywhere
from apps.api.access import asker, visible
from apps.api.paging import decode, encode, not_a_cursor, page_of
from apps.api.problems import Fault, Problem
from apps.api.schemas import Answer, Given, Listing, Many, Moment, Number, one_of, reply
from apps.api.section import Section
from apps.core.clock import utc_now
from apps.logs.group_models import ErrorGroup
from apps.logs.groups import SnoozeIsOver, in_inbox, reopen_groups, resolve_groups, snooze_groups
from apps.logs.models import Log
from apps.logs.query import BadQuery, parse
from apps.logs.search import Filters, search
from apps.registry.models import App

section = Section("logs")

VIEW, ACT = "logs.view_log", "runtime.add_command"
#: So long a search looks before it says how far it came.
BUDGET_S = 2.0
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=["9b1c0d5e343f2c9a7e5b1d4c60a8e2f7"])]


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


class GroupOut(Answer):
    """Errors that are one."""

    fingerprint: str = Field(examples=["9b1c0d5e343f2c9a7e5b1d4c60a8e2f7"])
    title: str = Field(examples=["TimeoutError: no answer within 10 s"])
    state: Annotated[str, one_of(ErrorGroup.State)]
    level: int = Field(examples=[40])
    logger: str = Field(examples=["scraping"])
    count: int = Field(examples=[12])
    apps: list[str] = Field(examples=[["examples.shop.books"]])
    first_seen_at: Moment
    last_seen_at: Moment
    last_run: str | None = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    last_line: int | None = Field(examples=[41])
    resolved_at: Moment | None = Field(examples=[None])
    snoozed_until: Moment | None = Field(examples=[None])
    assignee: str | None = Field(description="A user name.", examples=["ana"])
    note: str


class GroupFilter(Many):
    """Which errors, the latest first."""

    state: Annotated[str, one_of(ErrorGroup.State)] | None = Field(None, description="Not given: the inbox.")
    app: str | None = Field(None, max_length=122)
    level: Annotated[Number, Field(ge=0, le=50)] | None = Field(None, description="At least this level.")


class Snooze(Given):
    """How long it is out of the inbox."""

    until: Annotated[AwareDatetime, Strict(strict=False)] = Field(examples=["2099-03-01T04:00:00Z"])


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


@section.get("/errors", name="listErrors", permission=VIEW, answer=Listing[GroupOut])
def list_errors(request: HttpRequest, wanted: Query[GroupFilter]) -> HttpResponse:
    """Errors that are one, counted; those that want somebody's attention, unless a state is given."""
    rows = _groups(request)
    rows = rows.filter(state=wanted.state) if wanted.state else rows.filter(in_inbox(now=utc_now()))
    if wanted.app:
        rows = rows.filter(apps__app__in=App.objects.filter(code=wanted.app))
    if wanted.level is not None:
        rows = rows.filter(level__gte=wanted.level)
    return reply(page_of(rows, ("-last_seen_at", "fingerprint"), wanted, group_out))


@section.get("/errors/{fingerprint}", name="getError", permission=VIEW, answer=GroupOut)
def get_error(request: HttpRequest, fingerprint: Path[Fingerprint]) -> HttpResponse:
    """One of them."""
    return reply(group_out(_group(request, fingerprint)))


@section.post("/errors/{fingerprint}/resolve", name="resolveError", permission=ACT, answer=GroupOut)
def resolve_error(request: HttpRequest, fingerprint: Path[Fingerprint]) -> HttpResponse:
    """It is dealt with; when it happens again, it comes back."""
    return _settled(request, fingerprint, lambda groups: resolve_groups(groups, now=utc_now()))


@section.post("/errors/{fingerprint}/reopen", name="reopenError", permission=ACT, answer=GroupOut)
def reopen_error(request: HttpRequest, fingerprint: Path[Fingerprint]) -> HttpResponse:
    """Back into the inbox."""
    return _settled(request, fingerprint, reopen_groups)


@section.post("/errors/{fingerprint}/snooze", name="snoozeError", permission=ACT, answer=GroupOut)
def snooze_error(request: HttpRequest, fingerprint: Path[Fingerprint], how: Snooze) -> HttpResponse:
    """Out of the inbox until a moment."""
    try:
        return _settled(request, fingerprint, lambda groups: snooze_groups(groups, until=how.until, now=utc_now()))
    except SnoozeIsOver as error:
        raise Problem("invalid", str(error), errors=[Fault(detail=str(error), pointer="/until")]) from None


def _settled(request: HttpRequest, fingerprint: str, settle: Callable[[QuerySet[ErrorGroup]], Any]) -> HttpResponse:
    if not everywhere(asker(request), ACT):
        raise Problem(
            "not-allowed", "An error belongs to all apps that had it: this needs a role that holds everywhere."
        )
    if not settle(ErrorGroup.objects.filter(pk=fingerprint)):
        raise Problem("not-found", f"There is no error {fingerprint}.")
    return reply(group_out(ErrorGroup.objects.select_related("assignee").get(pk=fingerprint)))


def _groups(request: HttpRequest) -> QuerySet[ErrorGroup]:
    # An error is seen by who sees an app that had it.
    rows = ErrorGroup.objects.select_related("assignee").prefetch_related("apps__app")
    if everywhere(asker(request), VIEW):
        return rows
    seen = visible(request, VIEW, App.objects.all()).values("pk")
    return rows.filter(pk__in=ErrorGroup.objects.filter(apps__app__in=seen).values("pk"))


def _group(request: HttpRequest, fingerprint: str) -> ErrorGroup:
    group = _groups(request).filter(pk=fingerprint).first()
    if group is None:
        raise Problem("not-found", f"There is no error {fingerprint}.")
    return group


def group_out(group: ErrorGroup) -> GroupOut:
    """A group as it is shown."""
    values = {name: getattr(group, name) for name in GroupOut.model_fields if hasattr(group, name) and name != "apps"}
    values["assignee"] = group.assignee.get_username() if group.assignee else None
    return GroupOut.model_construct(
        **values,
        apps=[entry.app.code for entry in group.apps.all()],
        last_run=group.last_runtime_id,
        last_line=group.last_line_number,
    )
