"""The errors among the lines, counted, for programs: the inbox, and what people decide about each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.accounts.models import User
from apps.accounts.policy import everywhere
from apps.api.access import asker, by, visible
from apps.api.paging import but, page_of
from apps.api.problems import Fault, Problem
from apps.api.schemas import Answer, Given, Listing, Many, Moment, Number, WhenGiven, one_of, reply
from apps.api.section import Section
from apps.api.versions import check_version, etag_of
from apps.core.clock import utc_now
from apps.logs.group_models import ErrorGroup, ErrorGroupApp
from apps.logs.groups import in_inbox
from apps.logs.inbox import SnoozeIsOver, describe_groups, reopen_groups, resolve_groups, snooze_groups
from apps.registry.models import App

section = Section("logs")

VIEW, ACT = "logs.view_log", "runtime.add_command"
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=["9b1c0d5e343f2c9a7e5b1d4c60a8e2f7"])]


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

    until: WhenGiven = Field(examples=["2099-03-01T04:00:00Z"])


class Resolution(Given):
    """What is known of it."""

    note: str | None = Field(None, max_length=20_000, description="null: the note stays.", examples=["Mended in 1.4."])


class GroupChange(Given):
    """What is to change; what is not named stays."""

    assignee: str | None = Field(None, max_length=150, description="A user name; null: nobody.", examples=["ana"])
    note: str = Field("", max_length=20_000, examples=["The site was down."])


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


@section.get("/errors/{fingerprint}", name="getError", permission=VIEW, answer=GroupOut, has_version=True)
def get_error(request: HttpRequest, fingerprint: Path[Fingerprint]) -> HttpResponse:
    """One of them."""
    group = _group(request, fingerprint)
    return reply(group_out(group), ETag=group_version(group))


@section.patch("/errors/{fingerprint}", name="changeError", permission=ACT, answer=GroupOut, is_recorded=False)
def change_error(request: HttpRequest, fingerprint: Path[Fingerprint], new: GroupChange) -> HttpResponse:
    """Say who looks at it, and what is known of it."""
    _need_everywhere(request)
    values: dict[str, Any] = {name: getattr(new, name) for name in new.model_fields_set}
    if "assignee" in values:
        values["assignee"] = _person(values["assignee"])
    with transaction.atomic():
        locked = ErrorGroup.objects.select_for_update().filter(pk=fingerprint).first()
        if locked is None:
            raise Problem("not-found", f"There is no error {fingerprint}.")
        check_version(request, group_version(locked))
        if values:
            describe_groups(ErrorGroup.objects.filter(pk=fingerprint), **values, **by(request))
    group = ErrorGroup.objects.select_related("assignee").prefetch_related("apps__app").get(pk=fingerprint)
    return reply(group_out(group), ETag=group_version(group))


@section.post("/errors/{fingerprint}/resolve", name="resolveError", permission=ACT, answer=GroupOut, is_recorded=False)
def resolve_error(request: HttpRequest, fingerprint: Path[Fingerprint], how: Resolution | None = None) -> HttpResponse:
    """It is dealt with; when it happens again, it comes back."""
    note = how.note if how is not None else None
    return _settled(request, fingerprint, lambda groups: resolve_groups(groups, note=note, **by(request)))


@section.post("/errors/{fingerprint}/reopen", name="reopenError", permission=ACT, answer=GroupOut, is_recorded=False)
def reopen_error(request: HttpRequest, fingerprint: Path[Fingerprint]) -> HttpResponse:
    """Back into the inbox."""
    return _settled(request, fingerprint, lambda groups: reopen_groups(groups, **by(request)))


@section.post("/errors/{fingerprint}/snooze", name="snoozeError", permission=ACT, answer=GroupOut, is_recorded=False)
def snooze_error(request: HttpRequest, fingerprint: Path[Fingerprint], how: Snooze) -> HttpResponse:
    """Out of the inbox until a moment."""
    try:
        return _settled(request, fingerprint, lambda groups: snooze_groups(groups, until=how.until, **by(request)))
    except SnoozeIsOver as error:
        raise Problem("invalid", str(error), errors=[Fault(detail=str(error), pointer="/until")]) from None


def _settled(request: HttpRequest, fingerprint: str, settle: Callable[[QuerySet[ErrorGroup]], Any]) -> HttpResponse:
    _need_everywhere(request)
    if not settle(ErrorGroup.objects.filter(pk=fingerprint)):
        raise Problem("not-found", f"There is no error {fingerprint}.")
    return reply(group_out(ErrorGroup.objects.select_related("assignee").get(pk=fingerprint)))


def _need_everywhere(request: HttpRequest) -> None:
    if not everywhere(asker(request), ACT):
        detail = "An error belongs to all apps that had it: this needs a role that holds everywhere."
        raise Problem("not-allowed", detail)


def _person(name: str | None) -> User | None:
    if name is None:
        return None
    person = User.objects.filter(username=name, is_active=True).first()
    if person is None:
        detail = f'There is no user "{name}".'
        raise Problem("invalid", detail, errors=[Fault(detail=detail, pointer="/assignee")])
    return person


def group_version(group: ErrorGroup) -> str:
    """What people decided about it; that it happens again is no new version."""
    return etag_of(group.pk, group.state, group.snoozed_until, group.assignee_id, group.note)


def _groups(request: HttpRequest) -> QuerySet[ErrorGroup]:
    # An error is seen by who sees an app that had it.
    with_code = Prefetch("apps", ErrorGroupApp.objects.select_related("app").defer(*but("app", App, "code")))
    rows = ErrorGroup.objects.select_related("assignee").prefetch_related(with_code)
    rows = rows.defer(*but("assignee", User, "username"))
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
