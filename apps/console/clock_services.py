"""What people do with the periodic tasks of django-celery-beat, with its entry in the audit."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from apps.accounts.audit import record
from apps.accounts.changes import change_each, note_each
from apps.accounts.models import User
from apps.runtime.celery_app import celery_app

_Tasks = QuerySet[PeriodicTask]


class CannotRun(Exception):
    """The task is not one of this platform, or the broker is away; the message says which."""


@transaction.atomic
def switch_tasks(tasks: _Tasks, *, is_enabled: bool, actor: User | None, source: str, now: datetime) -> int:
    """Have the clock send these, or not; how many there were."""
    values: dict[str, Any] = {"enabled": is_enabled} if is_enabled else {"enabled": False, "last_run_at": None}
    action = "periodictask.enabled" if is_enabled else "periodictask.disabled"
    count = change_each(tasks, values, action=action, actor=actor, source=source, now=now)
    if count:
        # The beats read the table again when this changes.
        PeriodicTasks.update_changed()
    return count


@transaction.atomic
def change_task(task: PeriodicTask, *, actor: User | None, source: str, now: datetime, **values: Any) -> None:
    """Set fields of one. Raises Django's `ValidationError`, which names each field."""
    before = {name: getattr(task, name) for name in values}
    for name, value in values.items():
        setattr(task, name, value)
    task.full_clean()
    task.save()
    record(
        "periodictask.changed", str(task), source=source, actor=actor, now=now, obj=task, before=before, after=values
    )


def run_now(tasks: _Tasks, *, actor: User | None, source: str, now: datetime) -> int:
    """Send these to the workers now, whatever their schedule. Raises `CannotRun`, and then none was sent."""
    from kombu.exceptions import OperationalError  # as Celery itself, imported where it is needed

    app = celery_app()
    app.loader.import_default_modules()
    chosen = list(tasks)
    unknown = [task.task for task in chosen if task.task not in app.tasks]
    if unknown:
        raise CannotRun(f"There is no task {unknown[0]} on this machine.")
    for task in chosen:
        options = {"queue": task.queue} if task.queue else {}
        try:
            app.tasks[task.task].apply_async(
                args=json.loads(task.args), kwargs=json.loads(task.kwargs), retry=False,
                headers={"periodic_task_name": task.name}, **options,
            )  # fmt: skip
        except (OSError, OperationalError) as error:
            raise CannotRun(f"The broker does not take {task.name}: {error}") from None
    note_each(chosen, "periodictask.run_asked", actor=actor, source=source, now=now)
    return len(chosen)
