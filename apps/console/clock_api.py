"""The periodic tasks of the platform for programs: what the clock sends to the workers, and when."""

from __future__ import annotations

from typing import Annotated, Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from ninja import Path, Query
from pydantic import Field

from apps.api.access import by, visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.rows import find_row
from apps.api.schemas import Answer, Flag, Given, Listing, Many, Moment, RowNumber, reply
from apps.api.section import Section
from apps.api.versions import check_version, etag_of
from apps.console.clock_services import CannotRun, change_task, run_now

section = Section("system")

VIEW, CHANGE = "django_celery_beat.view_periodictask", "django_celery_beat.change_periodictask"
Part = Annotated[str, Field(max_length=240, pattern=r"^[0-9a-zA-Z*/,-]+$", examples=["*"])]


class TaskOut(Answer):
    """Something that the clock has done at certain times."""

    id: int = Field(examples=[17])
    name: str = Field(examples=["sweep"])
    task: str = Field(examples=["runtime.sweep"])
    is_enabled: bool = Field(examples=[True])
    description: str
    schedule: str = Field(description="In words.", examples=["every 60 seconds"])
    queue: str | None = Field(examples=[None])
    expire_seconds: int | None = Field(examples=[None])
    last_run_at: Moment | None
    total_run_count: int = Field(examples=[1024])


class TaskFilter(Many):
    """Which tasks."""

    is_enabled: Flag | None = None


class Crontab(Given):
    """When, as crontab has it."""

    minute: Part = "*"
    hour: Part = "*"
    day_of_month: Part = "*"
    month_of_year: Part = "*"
    day_of_week: Part = "*"
    time_zone: str = Field("UTC", max_length=63, examples=["UTC"])


class TaskChange(Given):
    """What is to change; what is not named stays. One of `interval_s` and `crontab` replaces the schedule."""

    is_enabled: bool = True
    description: str = Field("", max_length=20_000)
    queue: str | None = Field(None, max_length=200, examples=[None])
    expire_seconds: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(None, examples=[None])
    interval_s: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(None, examples=[60])
    crontab: Crontab | None = Field(None, examples=[None])


@section.get("/periodic-tasks", name="listPeriodicTasks", permission=VIEW, answer=Listing[TaskOut])
def list_tasks(request: HttpRequest, wanted: Query[TaskFilter]) -> HttpResponse:
    """What the clock sends to the workers, by name."""
    rows = visible(request, VIEW, _tasks())
    if wanted.is_enabled is not None:
        rows = rows.filter(enabled=wanted.is_enabled)
    return reply(page_of(rows, ("name",), wanted, task_out))


@section.get("/periodic-tasks/{task_id}", name="getPeriodicTask", permission=VIEW, answer=TaskOut, has_version=True)
def get_task(request: HttpRequest, task_id: Path[RowNumber]) -> HttpResponse:
    """One of them."""
    task = _task(request, VIEW, task_id)
    return reply(task_out(task), ETag=task_version(task))


@section.patch(
    "/periodic-tasks/{task_id}", name="changePeriodicTask", permission=CHANGE, answer=TaskOut, is_recorded=False
)
def change(request: HttpRequest, task_id: Path[RowNumber], new: TaskChange) -> HttpResponse:
    """Switch it on or off, or change when it is sent. Clocks that run take it up within seconds."""
    _task(request, CHANGE, task_id)
    with transaction.atomic():
        task = PeriodicTask.objects.select_for_update().get(pk=task_id)
        check_version(request, task_version(task))
        if values := _values(new):
            change_task(task, **values, **by(request))
    task = _task(request, CHANGE, task_id)
    return reply(task_out(task), ETag=task_version(task))


@section.post(
    "/periodic-tasks/{task_id}/run",
    name="runPeriodicTask",
    permission=CHANGE,
    answer=TaskOut,
    status=202,
    is_recorded=False,
)
def run(request: HttpRequest, task_id: Path[RowNumber]) -> HttpResponse:
    """Send it to the workers now, whatever its schedule."""
    task = _task(request, CHANGE, task_id)
    try:
        run_now(PeriodicTask.objects.filter(pk=task.pk), **by(request))
    except CannotRun as error:
        raise Problem("conflict", str(error)) from None
    return reply(task_out(task), 202, Location=f"/api/v1/periodic-tasks/{task.pk}")


def _tasks() -> Any:
    return PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked")


def _task(request: HttpRequest, permission: str, pk: int) -> PeriodicTask:
    task: PeriodicTask = find_row(request, permission, _tasks(), f"periodic task {pk}", pk=pk)
    return task


def _values(new: TaskChange) -> dict[str, Any]:
    """The fields of the row."""
    values = new.model_dump(exclude_unset=True, exclude={"interval_s", "crontab", "is_enabled"})
    if "is_enabled" in new.model_fields_set:
        values["enabled"] = new.is_enabled
    none: dict[str, Any] = dict.fromkeys(("interval", "crontab", "solar", "clocked"))
    if new.interval_s is not None:
        interval, _ = IntervalSchedule.objects.get_or_create(every=new.interval_s, period=IntervalSchedule.SECONDS)
        values |= {**none, "interval": interval}
    elif new.crontab is not None:
        parts = new.crontab.model_dump()
        parts["timezone"] = parts.pop("time_zone")
        made = CrontabSchedule(**parts)
        made.full_clean(validate_unique=False)
        crontab = CrontabSchedule.objects.filter(**parts).first()
        if crontab is None:
            made.save()
            crontab = made
        values |= {**none, "crontab": crontab}
    return values


def task_version(task: PeriodicTask) -> str:
    """What people decide about it; that it was sent again is no new version."""
    schedule = [task.interval_id, task.crontab_id, task.solar_id, task.clocked_id]
    return etag_of(task.pk, task.enabled, task.description, task.queue, task.expire_seconds, schedule)


def task_out(task: Any) -> TaskOut:
    """A task as it is shown."""
    names = ("id", "name", "task", "description", "queue", "expire_seconds", "last_run_at", "total_run_count")
    shown = {name: getattr(task, name) for name in names}
    return TaskOut.model_construct(**shown, is_enabled=task.enabled, schedule=str(task.scheduler))
