"""Emptying the outbox: claim a message, send it outside of any transaction, write down what became of it.

A claim is one guarded UPDATE, so any number of senders may work at once. Who dies while sending leaves a row in SENDING
that is tried again later; so a message may arrive twice, and never not at all.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db.models import F

from apps.notifications.models import Channel, Delivery, Kind

#: After so many attempts, wait so long; after the last one it has failed.
BACKOFF = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)
#: A sender that has not come back after this long is dead; no attempt takes as long.
ABANDONED = timedelta(minutes=5)
#: What else waits for a channel that fails is not tried before this long.
REST = timedelta(minutes=5)
CANDIDATES = 20

State = Delivery.State


def send_due(*, now: datetime, max_seconds: float = 2.0) -> int:
    """Send what is due, at least one message and for about `max_seconds`. Returns how many were sent."""
    began, sent = time.monotonic(), 0
    _take_back(now)
    while True:
        moment = now + timedelta(seconds=time.monotonic() - began)
        delivery = _claim(moment)
        if delivery is None:
            return sent
        sent += deliver(delivery, now=moment)
        if time.monotonic() - began >= max_seconds:
            return sent


def deliver(delivery: Delivery, *, now: datetime) -> bool:
    """Send a claimed message and write down what became of it. Whether it was sent."""
    from apps.notifications.senders import CannotSend, send

    channel = delivery.channel
    if not channel.is_enabled and delivery.kind != Kind.TEST:
        _settle(delivery, state=State.SKIPPED, error="The channel is disabled.", next_attempt_at=None)
        return False
    began = time.monotonic()
    try:
        send(delivery)
    except CannotSend as error:
        moment = now + timedelta(seconds=time.monotonic() - began)
        _failed(delivery, str(error), can_retry=error.can_retry, now=moment)
        return False
    moment = now + timedelta(seconds=time.monotonic() - began)
    if _settle(delivery, state=State.SENT, sent_at=moment, next_attempt_at=None, error=""):
        Channel.objects.filter(pk=channel.pk).update(last_sent_at=moment, last_error="")
    return True


def _claim(now: datetime) -> Delivery | None:
    due = Delivery.objects.filter(state=State.PENDING, next_attempt_at__lte=now).order_by("next_attempt_at", "pk")
    for delivery in due.select_related("channel")[:CANDIDATES]:
        ours = Delivery.objects.filter(pk=delivery.pk, state=State.PENDING, attempts=delivery.attempts)
        if ours.update(state=State.SENDING, claimed_at=now, attempts=F("attempts") + 1):
            delivery.state, delivery.attempts, delivery.claimed_at = State.SENDING, delivery.attempts + 1, now
            return delivery
    return None


def _take_back(now: datetime) -> None:
    """Rows whose sender died."""
    lost = Delivery.objects.filter(state=State.SENDING, claimed_at__lt=now - ABANDONED)
    for delivery in lost.select_related("channel"):
        _failed(delivery, "The process that sent it ended before it said what became of it.", now=now)


def _failed(delivery: Delivery, error: str, *, now: datetime, can_retry: bool = True) -> None:
    is_last = delivery.attempts > len(BACKOFF) or delivery.kind == Kind.TEST or not can_retry
    if is_last:
        settled = _settle(delivery, state=State.FAILED, error=error, next_attempt_at=None)
    else:
        again = now + BACKOFF[delivery.attempts - 1]
        settled = _settle(delivery, state=State.PENDING, error=error, next_attempt_at=again)
    if not settled:
        return
    Channel.objects.filter(pk=delivery.channel_id).update(last_failed_at=now, last_error=error)
    if can_retry and delivery.kind != Kind.TEST:
        # One attempt at a time on a channel that is down: each can take as long as its timeouts.
        rest = now + min(BACKOFF[min(delivery.attempts, len(BACKOFF)) - 1], REST)
        others = Delivery.objects.filter(channel=delivery.channel_id, state=State.PENDING, next_attempt_at__lt=rest)
        others.exclude(pk=delivery.pk).update(next_attempt_at=rest)


def _settle(delivery: Delivery, **values: object) -> bool:
    """Write down the outcome, unless somebody else has the row by now."""
    for name, value in values.items():
        setattr(delivery, name, value)
    ours = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING, attempts=delivery.attempts)
    return ours.update(**values) == 1
