"""Rows that a rule put aside, for programs: what is wrong with them, and what becomes of them."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import by, visible
from apps.api.paging import page_of
from apps.api.problems import Fault, Problem
from apps.api.rows import find_row
from apps.api.schemas import Answer, Given, Listing, Many, Moment, RowNumber, one_of, reply
from apps.api.section import Section
from apps.quality.models import QuarantinedRow
from apps.quality.selectors import held_rows
from apps.quality.services import discard
from apps.records.replay import replay

section = Section("quality")

VIEW, SETTLE = "quality.view_quarantinedrow", "quality.change_quarantinedrow"
_RUN = "3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"
State = QuarantinedRow.State


class HeldRow(Answer):
    """A row that a rule put aside."""

    id: int = Field(examples=[17])
    dataset: str = Field(examples=["examples_shop_books.book"])
    run: str = Field(examples=[_RUN])
    row: int = Field(description="Its number within the merge.", examples=[41])
    rule: str = Field(examples=["No free books"])
    field: str = Field(examples=["price"])
    reason: str = Field(examples=["Row 41: price is -1, which is below 0."])
    payload: str = Field(
        description="The row as JSON, as the source gave it.", examples=['{"isbn": "978", "price": -1}']
    )
    is_whole: bool = Field(description="false: a secret was masked in it; it cannot be replayed.", examples=[True])
    state: Annotated[str, one_of(State)]
    quarantined_at: Moment
    settled_at: Moment | None = Field(examples=[None])
    settled_by: str


class HeldFilter(Many):
    """Which rows, the newest first."""

    state: Annotated[str, one_of(State)] = Field(State.HELD, description="Those that wait, unless it is given.")
    dataset: str | None = Field(None, max_length=200)
    run: str | None = Field(None, pattern=r"^[0-9a-f]{32}$")
    rule: str | None = Field(None, max_length=200)


class Which(Given):
    """Rows by their numbers, or all that wait and to which everything given applies."""

    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] | None = Field(None, max_length=1_000, examples=[[17]])
    dataset: str | None = Field(None, max_length=200, examples=[None])
    run: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", examples=[None])
    rule: str | None = Field(None, max_length=200)
    preview: bool = Field(default=False, description="Say which it would be, and do nothing.")
    limit: int = Field(200, ge=1, le=1_000, description="How many at most, the oldest first.")


class Settled(Answer):
    """What became of the rows."""

    asked: list[int] = Field(description="Which rows it was about.", examples=[[17]])
    done: int = Field(description="How many are settled now.", examples=[1])
    held: dict[int, str] = Field(description="Those that stay, and why.", examples=[{"18": "price is -1."}])


@section.get("/quarantine", name="listQuarantine", permission=VIEW, answer=Listing[HeldRow])
def list_quarantine(request: HttpRequest, wanted: Query[HeldFilter]) -> HttpResponse:
    """Rows in quarantine, the newest first."""
    rows = visible(request, VIEW, QuarantinedRow.objects.select_related("dataset")).filter(state=wanted.state)
    conditions = {"dataset__label": wanted.dataset, "runtime": wanted.run, "rule": wanted.rule}
    rows = rows.filter(**{name: value for name, value in conditions.items() if value is not None})
    return reply(page_of(rows, ("-id",), wanted, held_out))


# Both before the address of one row, which they would be taken for.
# Replaying writes into the database of the table, which a transaction here would not hold; each row is settled once.
@section.post(
    "/quarantine/replay", name="replayRows", permission=SETTLE, answer=Settled, is_recorded=False, is_atomic=False
)
def replay_rows(request: HttpRequest, which: Which) -> HttpResponse:
    """Merge rows after all, if the rules let them now."""
    ids = _ids(request, which)
    if which.preview:
        return reply(Settled(asked=ids, done=0, held={}))
    done = replay(ids, **by(request))
    return reply(Settled(asked=ids, done=done.inserted + done.unchanged, held=dict(done.held)))


@section.post("/quarantine/discard", name="discardRows", permission=SETTLE, answer=Settled, is_recorded=False)
def discard_rows(request: HttpRequest, which: Which) -> HttpResponse:
    """Throw rows away that nobody needs; they stay to be seen, as what they are."""
    ids = _ids(request, which)
    return reply(Settled(asked=ids, done=0 if which.preview else discard(ids, **by(request)), held={}))


@section.get("/quarantine/{row_id}", name="getQuarantined", permission=VIEW, answer=HeldRow)
def get_quarantined(request: HttpRequest, row_id: Path[RowNumber]) -> HttpResponse:
    """One of them."""
    rows = QuarantinedRow.objects.select_related("dataset")
    return reply(held_out(find_row(request, VIEW, rows, f"row {row_id} in quarantine", pk=row_id)))


def _ids(request: HttpRequest, which: Which) -> list[int]:
    """Oldest first, of those that wait. Raises `Problem`."""
    if not which.model_fields_set & {"ids", "dataset", "run", "rule"}:
        detail = "Say which rows: by ids, dataset, run or rule."
        raise Problem("invalid", detail, errors=[Fault(detail=detail, pointer="/ids")])
    rows: QuerySet[Any] = held_rows(dataset=which.dataset or "", run=which.run or "", rule=which.rule or "")
    if which.ids is not None:
        rows = rows.filter(pk__in=which.ids)
    return list(visible(request, SETTLE, rows).values_list("pk", flat=True)[: which.limit])


def held_out(row: QuarantinedRow) -> HeldRow:
    """A row in quarantine as it is shown."""
    shown = {name: getattr(row, name) for name in HeldRow.model_fields if name not in ("dataset", "run")}
    return HeldRow.model_construct(**shown, dataset=row.dataset.label, run=row.runtime)
