"""Commands in the audit trail."""

from __future__ import annotations

from datetime import datetime

from apps.accounts.audit import record
from apps.runtime.models import Command

#: What the audit calls them.
ASKED = {
    Command.Verb.START: "app.start_asked",
    Command.Verb.STOP: "app.stop_asked",
    Command.Verb.RESTART: "app.restart_asked",
    Command.Verb.ENABLE: "app.enabled",
    Command.Verb.DISABLE: "app.disabled",
}


def note_command(order: Command, *, was_enabled: bool, now: datetime) -> None:
    """What people and programs ask for is written down, with address and client; what the platform does is not."""
    if order.source == Command.Source.PLATFORM:
        return
    is_refused = order.state in (Command.Progress.NOT_EXECUTED, Command.Progress.EXPIRED)
    is_switched = order.app.is_enabled != was_enabled
    record(
        f"app.{order.verb.lower()}_refused" if is_refused else ASKED[Command.Verb(order.verb)],
        order.app.code,
        source=order.source,
        actor=order.issuer,
        now=now,
        obj=order.app,
        before={"is_enabled": was_enabled} if is_switched else {},
        after={"is_enabled": order.app.is_enabled} if is_switched else {},
        command=order.pk,
        **({"run": order.runtime_id} if order.runtime_id else {}),
        **({"reason": order.reason} if is_refused else {}),
    )
