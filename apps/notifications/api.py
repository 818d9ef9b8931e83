"""Channels and messages for programs. Secrets do not come out."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import by, visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.rows import change_row, create_row, find_row, remove_row, row_version
from apps.api.schemas import Answer, Given, Listing, Many, Moment, RowNumber, one_of, reply
from apps.api.section import Section
from apps.notifications.forms import ChannelForm
from apps.notifications.models import Channel, Delivery, Kind
from apps.notifications.services import retry_deliveries, send_test

section = Section("notifications")

VIEW, ADD, CHANGE, DELETE = (f"notifications.{verb}_channel" for verb in ("view", "add", "change", "delete"))
VIEW_SENT = "notifications.view_delivery"
Text = Annotated[str, Field(max_length=500)]


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


class Details(Given):
    """How a channel reaches people; what a service does not use stays empty."""

    is_enabled: bool = True
    secret: str = Field(
        "",
        max_length=2_000,
        description="Password, token, address or key, by service. It never comes out; empty keeps what is there.",
        examples=["a-key-of-sixteen-or-more-characters"],
    )
    recipients: Text = Field("", description="Email addresses or Telegram chat ids, separated by commas.")
    url: Text = Field("", description="Of a signed webhook.", examples=["https://example.com/hook"])
    is_private_allowed: bool = Field(default=False, description="The webhook may be in a private network.")
    smtp_host: str = Field("", max_length=255)
    smtp_port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(None, examples=[None])
    smtp_security: Annotated[str, one_of(Channel.Security)] = Channel.Security.STARTTLS
    smtp_user: str = Field("", max_length=255)
    sender: str = Field("", max_length=254)
    kinds: list[str] = Field([], max_length=20, description="What it is told about; none: everything.")
    apps: list[str] = Field([], max_length=500, description="Codes, or beginnings of codes; none: all.")


class ChannelNew(Details):
    """A place where people are to be told."""

    name: str = Field(min_length=1, max_length=100, examples=["On call"])
    service: Annotated[str, one_of(Channel.Service)] = Field(examples=["WEBHOOK"])


class ChannelChange(Details):
    """What is to change; what is not named stays. When it goes elsewhere, the secret has to be sent again."""

    name: str = Field("", min_length=1, max_length=100, examples=["On call"])
    service: Annotated[str, one_of(Channel.Service)] = Channel.Service.WEBHOOK


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
    return reply(page_of(rows, ("name",), wanted, channel_out))


@section.post("/channels", name="createChannel", permission=ADD, answer=ChannelOut, status=201, is_recorded=False)
def create_channel(request: HttpRequest, new: ChannelNew) -> HttpResponse:
    """A new place where people are told."""
    row = create_row(request, ChannelForm, _form_values(new))
    return reply(channel_out(row), 201, Location=f"/api/v1/channels/{row.pk}", ETag=row_version(row))


@section.get("/channels/{channel_id}", name="getChannel", permission=VIEW, answer=ChannelOut, has_version=True)
def get_channel(request: HttpRequest, channel_id: Path[RowNumber]) -> HttpResponse:
    """One of them."""
    row = _channel(request, VIEW, channel_id)
    return reply(channel_out(row), ETag=row_version(row))


@section.patch("/channels/{channel_id}", name="changeChannel", permission=CHANGE, answer=ChannelOut, is_recorded=False)
def change_channel(request: HttpRequest, channel_id: Path[RowNumber], new: ChannelChange) -> HttpResponse:
    """Change where and about what people are told."""
    row = change_row(request, _channel(request, CHANGE, channel_id), ChannelForm, _form_values(new))
    return reply(channel_out(row), ETag=row_version(row))


@section.delete("/channels/{channel_id}", name="deleteChannel", permission=DELETE, answer=ChannelOut, is_recorded=False)
def delete_channel(request: HttpRequest, channel_id: Path[RowNumber]) -> HttpResponse:
    """Delete a channel, and what was sent to it."""
    row = _channel(request, DELETE, channel_id)
    told = channel_out(row)
    remove_row(request, row)
    return reply(told)


@section.post(
    "/channels/{channel_id}/test",
    name="testChannel",
    permission=CHANGE,
    answer=DeliveryOut,
    is_repeatable=False,
    is_recorded=False,
)
def test_channel(request: HttpRequest, channel_id: Path[RowNumber]) -> HttpResponse:
    """Send a test message now, and say what became of it."""
    delivery = send_test(_channel(request, CHANGE, channel_id), **by(request))
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
    "/deliveries/{delivery_id}/retry",
    name="retryDelivery",
    permission=CHANGE,
    answer=DeliveryOut,
    status=202,
    is_recorded=False,
)
def retry_delivery(request: HttpRequest, delivery_id: Path[RowNumber]) -> HttpResponse:
    """Send a message again that failed or was skipped."""
    delivery = visible(request, CHANGE, Delivery.objects.select_related("channel")).filter(pk=delivery_id).first()
    if delivery is None:
        raise Problem("not-found", f"There is no message {delivery_id}.")
    if not retry_deliveries(pks=[delivery.pk], **by(request)):
        raise Problem(
            "conflict",
            f"The message is {Delivery.State(delivery.state).word}; only a failed or skipped one is sent again.",
        )
    delivery.refresh_from_db()
    return reply(delivery_out(delivery), 202, Location="/api/v1/deliveries")


def _channel(request: HttpRequest, permission: str, pk: int) -> Channel:
    return find_row(request, permission, Channel.objects.all(), f"channel {pk}", pk=pk)


def _form_values(given: Details) -> dict[str, Any]:
    values = given.model_dump(exclude_unset=isinstance(given, ChannelChange))
    return {**values, "apps": "\n".join(values["apps"])} if "apps" in values else values


def channel_out(channel: Channel) -> ChannelOut:
    """A channel as it is shown."""
    return ChannelOut.model_construct(**{name: getattr(channel, name) for name in ChannelOut.model_fields})


def delivery_out(delivery: Delivery) -> DeliveryOut:
    """A message as it is shown."""
    names = set(DeliveryOut.model_fields) - {"channel", "channel_name"}
    return DeliveryOut.model_construct(
        channel=delivery.channel_id,
        channel_name=delivery.channel.name,
        **{name: getattr(delivery, name) for name in names},
    )
