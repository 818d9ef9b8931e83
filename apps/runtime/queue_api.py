"""Lists that a later run goes on with, for programs."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import by, visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.rows import find_row
from apps.api.schemas import Answer, Listing, Many, Moment, RowNumber, reply
from apps.api.section import Section
from apps.registry.models import App
from apps.runtime.queue_models import ItemQueue
from apps.runtime.queue_upkeep import begin_anew

section = Section("runs")

VIEW, COMMAND = "runtime.view_itemqueue", "runtime.add_command"


class ItemQueueOut(Answer):
    """The list of an app, and how far it was worked off."""

    id: int = Field(examples=[17])
    app: str = Field(examples=["examples.shop.books"])
    runtime: str = Field(
        description="The run that works on it, or did so last.", examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"]
    )
    is_listed: bool = Field(description="Whether the whole list is in it; until then its numbers are 0.")
    size: int = Field(examples=[1000])
    done: int = Field(description="Collected and stored.", examples=[657])
    given_up: int = Field(description="Failed as often as the source allows.", examples=[3])
    left: int = Field(examples=[340])
    begun_at: Moment
    touched_at: Moment
    expires_at: Moment = Field(description="From then on a run makes a new list.")


class ItemQueueFilter(Many):
    """Which lists."""

    app: str | None = Field(None, max_length=122)


@section.get("/item-queues", name="listItemQueues", permission=VIEW, answer=Listing[ItemQueueOut])
def list_item_queues(request: HttpRequest, wanted: Query[ItemQueueFilter]) -> HttpResponse:
    """Lists that are not done, the newest first."""
    rows = visible(request, VIEW, ItemQueue.objects.select_related("app"))
    if wanted.app:
        rows = rows.filter(app__in=App.objects.filter(code=wanted.app))
    return reply(page_of(rows, ("-id",), wanted, queue_out))


@section.delete(
    "/item-queues/{queue_id}", name="deleteItemQueue", permission=COMMAND, answer=ItemQueueOut, is_recorded=False
)
def delete_item_queue(request: HttpRequest, queue_id: Path[RowNumber]) -> HttpResponse:
    """Remove a list: the next run of the app makes a new one. Not while a run works on it."""
    rows = ItemQueue.objects.select_related("app")
    queue = find_row(request, COMMAND, rows, f"item queue {queue_id}", pk=queue_id)
    told = queue_out(queue)
    if not begin_anew([queue], **by(request)):
        raise Problem("conflict", f"The run {queue.worked_by} works on this list. Stop it first.")
    return reply(told)


def queue_out(queue: ItemQueue) -> ItemQueueOut:
    """A queue as it is shown."""
    own: dict[str, Any] = {"app": queue.app.code, "runtime": queue.worked_by}
    names = set(ItemQueueOut.model_fields) - set(own)
    return ItemQueueOut.model_construct(**own, **{name: getattr(queue, name) for name in names})
