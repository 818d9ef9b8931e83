"""The audit trail and retention for programs."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query
from pydantic import Field

from apps.accounts.models import AuditEntry
from apps.api.access import visible
from apps.api.paging import page_of
from apps.api.schemas import Answer, Listing, Many, Moment, When, reply
from apps.api.section import Section
from apps.logs.retention_models import SweptTable

section = Section("audit")

VIEW, VIEW_LOG = "accounts.view_auditentry", "logs.view_log"


class EntryOut(Answer):
    """Something that somebody did."""

    id: int = Field(examples=[17])
    at: Moment
    action: str = Field(examples=["app.changed"])
    subject: str = Field(examples=["examples.shop.books"])
    object_type: str = Field(examples=["registry.app"])
    object_id: str = Field(examples=["17"])
    actor: str = Field(description="A user name; from a shell that of the machine's account.", examples=["ana"])
    client: str = Field(description="The API client by way of which.", examples=["Nightly export"])
    address: str | None = Field(examples=["192.0.2.7"])
    source: str = Field(examples=["API"])
    before: dict[str, Any] = Field(description="Fields that changed, secrets masked.", examples=[{"cron": ""}])
    after: dict[str, Any] = Field(examples=[{"cron": "0 6 * * *"}])
    details: dict[str, Any] = Field(examples=[{}])


class EntryFilter(Many):
    """Which entries, the newest first."""

    action: str | None = Field(None, max_length=60)
    actor: str | None = Field(None, max_length=150)
    client: str | None = Field(None, max_length=255)
    source: Literal["ADMIN", "API", "SHELL", "PLATFORM"] | None = None
    object_type: str | None = Field(None, max_length=100)
    object_id: str | None = Field(None, max_length=64)
    since: When | None = None
    until: When | None = None


class SweptOut(Answer):
    """A table that retention looks after."""

    name: str = Field(examples=["logs"])
    rule: str = Field(description="What is kept.", examples=["90 days"])
    rows: int = Field(examples=[1_000_000])
    bytes: int | None = Field(description="On disk, indexes included.", examples=[250_000_000])
    due: int = Field(description="Rows that the next sweep deletes.", examples=[1_000])
    due_at: Moment = Field(description="The moment for which that was counted.")
    deleted: int = Field(description="By the last sweep.", examples=[1_200])
    swept_at: Moment | None


@section.get("/audit", name="listAudit", permission=VIEW, answer=Listing[EntryOut])
def list_audit(request: HttpRequest, wanted: Query[EntryFilter]) -> HttpResponse:
    """Who did what, to what, when and from where; the newest first."""
    conditions = {
        "action": wanted.action,
        "actor_name": wanted.actor,
        "client_name": wanted.client,
        "source": wanted.source,
        "object_type": wanted.object_type,
        "object_id": wanted.object_id,
        "at__gte": wanted.since,
        "at__lt": wanted.until,
    }
    rows = visible(request, VIEW, AuditEntry.objects.all())
    rows = rows.filter(**{name: value for name, value in conditions.items() if value is not None})
    return reply(page_of(rows, ("-at", "-id"), wanted, entry_out))


@section.get("/retention", name="listRetention", permission=VIEW_LOG, answer=Listing[SweptOut])
def list_retention(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """What is kept of each table, what that costs, and what goes next; by table."""
    return reply(page_of(visible(request, VIEW_LOG, SweptTable.objects.all()), ("name",), wanted, swept_out))


def entry_out(row: AuditEntry) -> EntryOut:
    """An entry as it is shown."""
    shown = {name: getattr(row, name) for name in EntryOut.model_fields if name not in ("actor", "client")}
    return EntryOut.model_construct(**shown, actor=row.actor_name, client=row.client_name)


def swept_out(row: SweptTable) -> SweptOut:
    """A table as it is shown."""
    return SweptOut.model_construct(
        name=row.name,
        rule=row.rule,
        rows=row.row_count,
        bytes=row.bytes,
        due=row.due_count,
        due_at=row.due_at,
        deleted=row.deleted_count,
        swept_at=row.swept_at,
    )
