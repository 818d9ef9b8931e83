"""What is done from the palette, told step by step: requested, accepted, done."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import may
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.bulk_actions import KINDS
from apps.runtime.bulk_models import BulkJob
from apps.runtime.models import Command
from apps.runtime.services import issue_command

#: How far a command is -> what one reads; the last word of it is how it ended.
STEPS = {
    Command.Progress.PENDING: "requested",
    Command.Progress.CLAIMED: "accepted",
    Command.Progress.EXECUTED: "done",
    Command.Progress.NOT_EXECUTED: "refused",
    Command.Progress.EXPIRED: "refused",
}


class NotAllowed(Exception):
    """They may not do this with this app."""


def act(request: HttpRequest, app: App, verb: Command.Verb, key: str) -> Command:
    """Give the app a command; the same key again returns the first one. Raises `NotAllowed`, `KeyIsTaken`."""
    if not may(request.user, KINDS[BulkJob.Action(verb.value)].permission, app):
        raise NotAllowed
    issuer: Any = request.user  # a User: admin_view lets nobody else in
    return issue_command(
        *(app, verb),
        source=Command.Source.ADMIN,
        issuer=issuer,
        idempotency_key=f"palette {issuer.pk} {key}"[:64] if key else None,
        now=utc_now(),
    )


def told(command: Command) -> dict[str, Any]:
    """How far a command is, as the palette shows it."""
    step = STEPS[Command.Progress(command.state)]
    verb, about = Command.Verb(command.verb), {"app": command.app.code}
    links = [{"text": _("command %(number)s") % {"number": command.pk}, "href": _page("command", command.pk)}]
    if command.runtime_id:
        links.insert(0, {"text": _("run %(run)s") % {"run": command.runtime_id[:8]}, "href": _run(command.runtime_id)})
        log = reverse("admin:run_log_page", args=[command.runtime_id])
        links.insert(1, {"text": _("its log"), "href": log})
    return {
        "step": step,
        "text": command.reason or f"{verb.label} {about['app']}",
        "links": links,
        "poll": "" if step in ("done", "refused") else reverse("admin:palette_command", args=[command.pk]),
    }


def _page(model: str, number: int) -> str:
    return reverse(f"admin:runtime_{model}_change", args=[number])


def _run(number: str) -> str:
    return reverse("admin:runtime_runtime_change", args=[number])
