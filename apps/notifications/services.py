"""Telling people: what is written to the outbox, and a test by hand."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from apps.accounts.audit import record
from apps.accounts.changes import change_each
from apps.accounts.models import User
from apps.notifications.models import Channel, Delivery, Kind
from apps.notifications.sending import deliver
from collectors.toolkit.journal.redaction import Redactor

__all__ = ["Kind", "notify", "retry_deliveries", "send_test"]

LONGEST_BODY = 3000


def notify(
    *,
    kind: Kind,
    subject: str,
    body: str,
    link: str = "",
    app_code: str = "",
    dedup_key: str = "",
    now: datetime,
) -> int:
    """Put a message into the outbox of every channel that wants it, in the transaction of the caller.

    Nothing is sent here: `sending.send_due` does that. Returns to how many channels it goes; a channel that has a
    message of this `dedup_key` is left out. A `link` that begins with "/" is completed with the public address.
    """
    channels = [channel for channel in Channel.objects.filter(is_enabled=True) if channel.wants(kind, app_code)]
    if channels and dedup_key:
        dedup_key = dedup_key[:200]
        told = set(
            Delivery.objects.filter(channel__in=channels, dedup_key=dedup_key).values_list("channel_id", flat=True)
        )
        channels = [channel for channel in channels if channel.pk not in told]
    if not channels:
        return 0
    clean = Redactor()
    wording = {
        # A subject is a header of a mail: one line.
        "subject": _shortened(clean.redact_text(" ".join(subject.split())), 200),
        "body": _shortened(clean.redact_text(body.replace("\x00", "")), LONGEST_BODY),
        "link": complete(link),
    }
    deliveries = [
        Delivery(
            channel=channel,
            kind=kind,
            app_code=app_code,
            dedup_key=dedup_key,
            next_attempt_at=now,
            created_at=now,
            **wording,
        )
        for channel in channels
    ]
    # Two who tell the same thing at once: the constraint decides, and neither fails.
    Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    return len(deliveries)


def send_test(channel: Channel, *, actor: User | None, source: str, now: datetime) -> Delivery:
    """Send a test message at once, whatever the channel wants to hear, and return what became of it.

    It is tried once. Not inside a transaction: it waits for the other side.
    """
    delivery = Delivery.objects.create(
        channel=channel,
        kind=Kind.TEST,
        subject="Test message of the Data Collector",
        body=f"The channel {channel.name} works.",
        link=complete("/admin/"),
        state=Delivery.State.SENDING,
        attempts=1,
        claimed_at=now,
        created_at=now,
    )
    deliver(delivery, now=now)
    outcome = "sent" if delivery.state == Delivery.State.SENT else delivery.error
    record("channel.tested", channel.name, source=source, actor=actor, now=now, obj=channel, outcome=outcome)
    return delivery


def retry_deliveries(*, pks: list[int], actor: User | None, source: str, now: datetime) -> int:
    """Send again what failed or was skipped, from the first attempt on. Returns how many there are."""
    again = Delivery.objects.filter(pk__in=pks, state__in=(Delivery.State.FAILED, Delivery.State.SKIPPED))
    values = {"state": Delivery.State.PENDING, "attempts": 0, "next_attempt_at": now, "error": ""}
    return change_each(again, values, action="delivery.retried", actor=actor, source=source, now=now)


def complete(link: str) -> str:
    """A link that works outside of the pages too."""
    return f"{settings.DC_PUBLIC_URL}{link}" if link.startswith("/") else link


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
