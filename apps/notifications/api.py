"""Channels and messages for programs. Secrets do not come out."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.schemas import Answer, Listing, Many, Moment, RowNumber, one_of, reply
from apps.api.section import Section
from apps.core.clock import utc_now
from apps.notifications.models import Channel, Delivery, Kind
from apps.notifications.services import retry_deliveries, send_test

section = Section("notifications")

VIEW, CHANGE, VIEW_SENT = "notifications.view_channel", "notifications.change_channel", "notifications.view_delivery"


class ChannelOut(Answer):
    """A place where people are told, without what lets one in there."""

    id: int = Field(examples=[17])
    name: str = Field(examples=["On call"])
    service: Annotated[str, one_of(Channel.Service)]
    is_enabled: bool = Field(examples=[True])
    kinds: list[str] = Field(description="What it is told about; none: everything.", examples=[["FAILED"]])
    apps: list[str] = Field(description="Codes, or beginnings of codes; none: all.", examples=[["examples.shop"]])
    last_sent_at: Moment | None
    last_failed_at: Moment | None = Field(examples=[None])
    last_error: str


class DeliveryOut(Answer):
    """One message to one channel."""

    id: int = Field(examples=[17])
    channel: int = Field(examples=[17])
    channel_name: str = Field(examples=["On call"])
    kind: Annotated[str, one_of(Kind)]
    subject: str = Field(examples=["examples.shop.books failed"])
    app_code: str = Field(examples=["examples.shop.books"])
    state: Annotated[str, one_of(Delivery.State)]
    attempts: int = Field(examples=[1])
    error: str
    created_at: Moment
    sent_at: Moment | None
    next_attempt_at: Moment | None = Field(examples=[None])


class DeliveryFilter(Many):
    """Which messages, newest first."""

    channel: RowNumber | None = None
    state: Annotated[str, one_of(Delivery.State)] | None = None


@section.get("/channels", name="listChannels", permission=VIEW, answer=Listing[ChannelOut])
def list_channels(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Where people are told, by name."""
    rows = visible(request, VIEW, Channel.objects.defer("secret"))
    return reply(page_of(rows, ("name",), wanted, ChannelOut.model_validate))


@section.post(
    "/channels/{channel_id}/test", name="testChannel", permission=CHANGE, answer=DeliveryOut, is_repeatable=False
)
def test_channel(request: HttpRequest, channel_id: Path[RowNumber]) -> HttpResponse:
    """Send a test message now, and say what became of it."""
    channel = visible(request, CHANGE, Channel.objects.all()).filter(pk=channel_id).first()
    if channel is None:
        raise Problem("not-found", f"There is no channel {channel_id}.")
    delivery = send_test(channel, now=utc_now())
    delivery.refresh_from_db()
    return reply(delivery_out(delivery))


@section.get("/deliveries", name="listDeliveries", permission=VIEW_SENT, answer=Listing[DeliveryOut])
def list_deliveries(request: HttpRequest, wanted: Query[DeliveryFilter]) -> HttpResponse:
    """What was sent, newest first."""
    rows = visible(request, VIEW_SENT, Delivery.objects.select_related("channel").defer("body", "channel__secret"))
    if wanted.channel is not None:
        rows = rows.filter(channel=wanted.channel)
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    return reply(page_of(rows, ("-created_at", "-id"), wanted, delivery_out))


@section.post(
    "/deliveries/{delivery_id}/retry", name="retryDelivery", permission=CHANGE, answer=DeliveryOut, status=202
)
def retry_delivery(request: HttpRequest, delivery_id: Path[RowNumber]) -> HttpResponse:
    """Send a message again that failed or was skipped."""
    delivery = visible(request, CHANGE, Delivery.objects.select_related("channel")).filter(pk=delivery_id).first()
    if delivery is None:
        raise Problem("not-found", f"There is no message {delivery_id}.")
    if not retry_deliveries(pks=[delivery.pk], now=utc_now()):
        raise Problem(
            "conflict", f"The message is {delivery.get_state_display()}; only a failed or skipped one is sent again."
        )
    delivery.refresh_from_db()
    return reply(delivery_out(delivery), 202, Location="/api/v1/deliveries")


def delivery_out(delivery: Delivery) -> DeliveryOut:
    """A message as it is shown."""
    names = set(DeliveryOut.model_fields) - {"channel", "channel_name"}
    return DeliveryOut.model_construct(
        channel=delivery.channel_id,
        channel_name=delivery.channel.name,
        **{name: getattr(delivery, name) for name in names},
    )
