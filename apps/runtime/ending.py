"""The one way a run ends: its terminal move, and what follows from it, in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.proxies.leasing import release_run
from apps.registry.models import App
from apps.runtime.consequences import follow
from apps.runtime.models import Runtime, State


def end_run(run: Runtime, state: State, *, now: datetime, cause: str = "", **values: Any) -> bool:
    """Reach a terminal state, once, and do what follows from it. False when the run has ended already."""
    with transaction.atomic():
        # The row of the app before the row of the run, as commands and claims do: two that meet cannot deadlock.
        App.objects.select_for_update(no_key=True).filter(pk=run.app_id).values_list("pk").first()
        if not run.finish(state, at=now, cause=_storable(cause), **values):
            return False
        release_run(run.pk, now=now)
        if follow(run, now=now):
            cancel_queued(run.app_id, now=now, cause="The app was disabled.")
    return True


def cancel_queued(app_id: int, *, now: datetime, cause: str) -> int:
    """End what waits for a manager. The row of the app has to be locked. How many there were."""
    waiting = list(Runtime.objects.filter(app=app_id, state=State.QUEUED))
    return sum(end_run(run, State.CANCELLED, now=now, cause=cause) for run in waiting)


def _storable(text: str) -> str:
    """Messages of errors hold anything; no database takes a NUL or half a character."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
