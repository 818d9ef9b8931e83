"""What people are told of runs and apps: one message each time something changed, not each time it is still so."""

from __future__ import annotations

from datetime import datetime

from apps.notifications.services import Kind, notify
from apps.registry.models import App
from apps.runtime.models import Runtime, State
from apps.runtime.verdicts import JUDGED, has_failed, is_by_hand

#: Written out: asking Django for them imports every page, and the process that ends a run needs none.
RUN_PAGE, APP_PAGE = "/admin/runtime/runtime/{}/change/", "/admin/registry/app/{}/change/"


def tell_disabled(app: App, *, reason: str, run: Runtime | None, now: datetime) -> None:
    """The platform disabled an app."""
    body = f"{reason}\n\nRepair it, then enable the app again: a trial run decides whether it stays enabled."
    _notify(Kind.DISABLED, f"{app.code} was disabled", body, app, run, now)


def tell_failed(run: Runtime, app: App, *, retry_at: datetime | None, now: datetime) -> None:
    """A run failed, and the one before it had not."""
    if is_by_hand(run) or _was_failing(run):
        return
    body = run.cause or f"The run {State(run.state).word}."
    if retry_at is not None:
        body += f"\n\nIt is tried again at {retry_at:%Y-%m-%d %H:%M:%S} UTC."
    _notify(Kind.FAILED, f"{app.code} {State(run.state).word}", body, app, run, now)


def tell_recovered(run: Runtime, app: App, *, now: datetime) -> None:
    """A run succeeded, and the one before it had failed."""
    if not is_by_hand(run) and _was_failing(run):
        _notify(Kind.RECOVERED, f"{app.code} works again", "Its last run succeeded.", app, run, now)


def tell_not_run(run: Runtime, *, now: datetime) -> None:
    """A scheduled run did not happen, and the one before it had. Safe to call more than once for one run."""
    if run.trigger != Runtime.Trigger.SCHEDULE:
        return
    before = Runtime.objects.filter(app=run.app_id, trigger=run.trigger, queued_at__lte=run.queued_at)
    last = before.exclude(pk=run.pk).order_by("-queued_at", "-due_at").values_list("state", flat=True).first()
    if last != State.SKIPPED:
        _notify(Kind.NOT_RUN, f"{run.app.code} did not run", run.cause, run.app, run, now)


def _was_failing(run: Runtime) -> bool:
    """Whether the last run before this one that says something failed."""
    judged = Runtime.objects.filter(app=run.app_id, state__in=JUDGED, is_dry_run=False).exclude(pk=run.pk)
    before = judged.order_by("-queued_at", "-id").first()
    return before is not None and has_failed(before)


def _notify(kind: Kind, subject: str, body: str, app: App, run: Runtime | None, now: datetime) -> None:
    if run is not None:
        link, about = RUN_PAGE.format(run.pk), run.pk
    else:
        link, about = APP_PAGE.format(app.pk), f"{app.pk} {now.isoformat()}"
    key = f"{kind} {about}".lower()
    notify(kind=kind, subject=subject, body=body, link=link, app_code=app.code, dedup_key=key, now=now)
