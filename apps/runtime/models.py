"""Runs and the commands that start and stop them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.choices import ColouredChoices


class State(ColouredChoices):
    """Where a run is; `MOVES` says which moves are legal."""

    QUEUED = "QUEUED", "default", "queued"
    STARTING = "STARTING", "info", "starting"
    RUNNING = "RUNNING", "primary", "running"
    STOPPING = "STOPPING", "warning", "stopping"
    SUCCEEDED = "SUCCEEDED", "success", "succeeded"
    FAILED = "FAILED", "danger", "failed"
    STOPPED = "STOPPED", "warning", "stopped"
    TIMED_OUT = "TIMED_OUT", "danger", "timed out"
    CRASHED = "CRASHED", "danger", "crashed"
    SKIPPED = "SKIPPED", "default", "skipped"
    CANCELLED = "CANCELLED", "default", "cancelled"


LIVE = (State.STARTING, State.RUNNING, State.STOPPING)
ENDED = (State.SUCCEEDED, State.FAILED, State.STOPPED, State.TIMED_OUT, State.CRASHED, State.SKIPPED, State.CANCELLED)

#: State -> the states it may be reached from. Ended states are left by nobody.
MOVES: dict[State, tuple[State, ...]] = {
    State.STARTING: (State.QUEUED,),
    State.RUNNING: (State.STARTING,),
    State.STOPPING: (State.STARTING, State.RUNNING),
    State.SUCCEEDED: (State.RUNNING, State.STOPPING),
    State.FAILED: LIVE,
    State.STOPPED: LIVE,
    State.TIMED_OUT: LIVE,
    State.CRASHED: LIVE,
    State.SKIPPED: (State.QUEUED,),
    State.CANCELLED: (State.QUEUED,),
}


def new_id() -> str:
    """A fresh Runtime id: 32 hex digits."""
    return uuid.uuid4().hex


class RuntimeQuerySet(models.QuerySet["Runtime"]):
    def live(self) -> RuntimeQuerySet:
        """Runs that have, or may have, a process."""
        return self.filter(state__in=LIVE)

    def queued(self) -> RuntimeQuerySet:
        """Runs that wait for a manager, oldest first."""
        return self.filter(state=State.QUEUED).order_by("queued_at", "id")


class Runtime(models.Model):
    """One execution of one app. Its state changes through `move` alone."""

    class Trigger(ColouredChoices):
        SCHEDULE = "SCHEDULE", "default", "schedule"
        ADMIN = "ADMIN", "info", "admin"
        SHELL = "SHELL", "info", "shell"
        API = "API", "info", "API"
        RETRY = "RETRY", "warning", "retry"
        PIPELINE = "PIPELINE", "default", "pipeline"

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    app = models.ForeignKey("registry.App", on_delete=models.CASCADE, related_name="runtimes")
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    trigger = models.CharField(max_length=16, choices=Trigger)
    cause = models.TextField(blank=True, help_text="One sentence: why the run ended as it did.")
    args = models.JSONField("arguments", default=dict, blank=True)
    limit = models.PositiveIntegerField(null=True, blank=True)
    is_dry_run = models.BooleanField("dry run", default=False)
    is_complete = models.BooleanField(
        "complete", null=True, blank=True, help_text="Whether it saw all there is to see."
    )
    code_version = models.CharField(max_length=64, blank=True)

    queue = models.CharField(max_length=40, default="runs")
    attempt = models.PositiveSmallIntegerField(default=1, help_text="Of how many tries this is which.")
    is_trial = models.BooleanField(
        "trial", default=False, help_text="The first run after the app was enabled again; its end decides."
    )
    is_blocked = models.BooleanField(
        "blocked", default=False, help_text="It ended because a person has to repair something first."
    )
    error_category = models.CharField(max_length=32, blank=True)

    due_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True, help_text="A retry waits until then.")
    queued_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="When a manager took it.")
    started_at = models.DateTimeField(null=True, blank=True)
    begun_at = models.DateTimeField(
        null=True, blank=True, help_text="When its source was loaded, by the clock of its machine."
    )
    done_at = models.DateTimeField(
        null=True, blank=True, help_text="When it said its last word, by the clock of its machine."
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    epoch = models.BigIntegerField(default=0)
    owner = models.ForeignKey(
        "Node", on_delete=models.SET_NULL, null=True, blank=True, related_name="runtimes", editable=False
    )
    heartbeat_at = models.DateTimeField(
        null=True, blank=True, help_text="Of a run by hand, which has no manager to answer for it."
    )
    node = models.CharField(max_length=255, blank=True, help_text="Host name of the machine.")
    boot_id = models.CharField(max_length=36, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    pid_started = models.BigIntegerField(
        "process start", null=True, blank=True, help_text="Clock ticks since the machine booted."
    )
    stop_stage = models.CharField(
        max_length=16, blank=True, help_text="How far a stop has come: asked, grace, killed, verified."
    )
    limits = models.JSONField(
        default=dict, blank=True, help_text="The limits of its app when it was claimed; see apps/runtime/limits.py."
    )
    limits_by = models.CharField(max_length=16, blank=True, help_text="What holds the limits: cgroup, shim or nothing.")
    exit_code = models.SmallIntegerField(null=True, blank=True)
    signal = models.PositiveSmallIntegerField(null=True, blank=True)

    task_size = models.PositiveIntegerField(null=True, blank=True)
    solved = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    eta_at = models.DateTimeField(null=True, blank=True)
    continues = models.CharField(
        max_length=32, blank=True, help_text="The run that worked on its list before, where it went on with one."
    )
    queue_size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Items of that list.")
    queue_left = models.PositiveBigIntegerField(null=True, blank=True, help_text="How many of them were left to it.")
    request_count = models.PositiveIntegerField(default=0)
    request_mean_ms = models.FloatField(null=True, blank=True)
    request_p95_ms = models.FloatField(null=True, blank=True)
    error_rate = models.FloatField(null=True, blank=True, help_text="Share of the requests that failed, 0 to 1.")
    exception_count = models.PositiveIntegerField(default=0)
    http_summary = models.JSONField(
        default=dict, blank=True, help_text="Its requests by status and by host; see RequestMetrics.summary."
    )
    touched_objects = models.JSONField(
        default=list, blank=True, help_text="Tables it merged rows into: model, table, action and the rows."
    )
    rows_seen = models.PositiveIntegerField(default=0)
    rows_inserted = models.PositiveIntegerField(default=0)
    rows_archived = models.PositiveIntegerField(default=0)
    rows_unchanged = models.PositiveIntegerField(default=0)
    rows_deleted = models.PositiveIntegerField(default=0)
    rows_quarantined = models.PositiveIntegerField(default=0)
    journal_complete = models.BooleanField(
        null=True, blank=True, help_text="Whether everything the run said is in the database."
    )
    log_counts = models.JSONField(default=dict, blank=True, help_text="Level name -> lines.")
    peak_memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    cpu_s = models.FloatField("CPU (seconds)", null=True, blank=True)

    objects = RuntimeQuerySet.as_manager()

    class Meta:
        verbose_name = "run"
        ordering = ["-queued_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["app", "slot"], condition=Q(state__in=[s.value for s in LIVE]), name="run_one_per_slot"
            ),
            models.UniqueConstraint(
                fields=["app", "due_at"], condition=Q(trigger="SCHEDULE"), name="run_once_per_due_time"
            ),
            models.CheckConstraint(condition=Q(state__in=State.values), name="run_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state__in=[s.value for s in LIVE]) | Q(slot__isnull=False), name="run_live_has_a_slot"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in ENDED], ended_at__isnull=False)
                | (~Q(state__in=[s.value for s in ENDED]) & Q(ended_at__isnull=True)),
                name="run_ended_has_an_end",
            ),
        ]
        indexes = [
            models.Index(fields=["-queued_at", "-id"], name="run_newest"),
            models.Index(fields=["app", "-queued_at"], name="run_newest_of_app"),
            models.Index(fields=["state", "queued_at"], name="run_by_state"),
            models.Index(fields=["-queued_at"], name="run_with_a_cause", condition=~Q(cause="")),
        ]

    def __str__(self) -> str:
        return f"{self.app.code} {self.id[:8]}"

    def get_state_display(self) -> str:  # type: ignore[no-redef]  # the one that Django would make
        # Django's own looks the label up among all of them, translated: half the time of a page with 400 runs.
        return str(State(self.state).label)

    @property
    def is_live(self) -> bool:
        """Whether a process of this run exists or may exist."""
        return self.state in LIVE

    @property
    def has_ended(self) -> bool:
        """Whether the run reached its one terminal state."""
        return self.state in ENDED

    @property
    def progress(self) -> int | None:
        """Whole percent of the task size; None while the size is unknown."""
        if self.task_size is None:
            return None
        return min(100, 100 * (self.solved + self.failed) // self.task_size) if self.task_size else 0

    def move(self, state: State, *, from_states: tuple[State, ...] | None = None, **values: Any) -> bool:
        """Go to `state` if that is legal from where the row is now, with this epoch. False: somebody else was first.

        One guarded UPDATE: two processes that end the same run cannot both succeed.
        """
        allowed = from_states if from_states is not None else MOVES[state]
        changed = (
            type(self).objects.filter(pk=self.pk, epoch=self.epoch, state__in=allowed).update(state=state, **values)
        )
        if changed:
            self.state = state
            for name, value in values.items():
                setattr(self, name, value)
        return bool(changed)

    def finish(self, state: State, *, at: datetime, cause: str = "", **values: Any) -> bool:
        """Reach a terminal state, once. False when the run has ended already."""
        return self.move(state, ended_at=at, cause=cause, eta_at=None, **values)


class Command(models.Model):
    """What somebody asked for: the row is the request and its audit."""

    class Verb(ColouredChoices):
        START = "START", "success", "start"
        STOP = "STOP", "warning", "stop"
        RESTART = "RESTART", "warning", "restart"
        ENABLE = "ENABLE", "info", "enable"
        DISABLE = "DISABLE", "default", "disable"

    class Progress(ColouredChoices):
        PENDING = "PENDING", "default", "pending"
        CLAIMED = "CLAIMED", "info", "claimed"
        EXECUTED = "EXECUTED", "success", "executed"
        NOT_EXECUTED = "NOT_EXECUTED", "danger", "not executed"
        EXPIRED = "EXPIRED", "warning", "expired"

    class Source(ColouredChoices):
        ADMIN = "ADMIN", "info", "admin"
        SHELL = "SHELL", "info", "shell"
        API = "API", "info", "API"
        WEBSOCKET = "WEBSOCKET", "info", "WebSocket"
        PLATFORM = "PLATFORM", "default", "platform"

    app = models.ForeignKey("registry.App", on_delete=models.CASCADE, related_name="commands")
    sequence = models.BigIntegerField(default=0, help_text="Of the commands to one app, the highest wins.")
    runtime = models.ForeignKey(Runtime, on_delete=models.SET_NULL, null=True, blank=True, related_name="commands")
    verb = models.CharField(max_length=16, choices=Verb)
    args = models.JSONField("arguments", default=dict, blank=True)
    limit = models.PositiveIntegerField(null=True, blank=True)
    is_dry_run = models.BooleanField("dry run", default=False)
    state = models.CharField(max_length=16, choices=Progress, default=Progress.PENDING)
    reason = models.TextField(blank=True, help_text="Why it was not executed.")
    source = models.CharField(max_length=16, choices=Source)
    issuer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="commands"
    )
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, unique=True)
    created_at = models.DateTimeField()
    deadline_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.ForeignKey(
        "Node", on_delete=models.SET_NULL, null=True, blank=True, related_name="commands", editable=False
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["PENDING", "CLAIMED"], finished_at__isnull=True)
                | Q(state__in=["EXECUTED", "NOT_EXECUTED", "EXPIRED"], finished_at__isnull=False),
                name="command_finished_has_an_end",
            )
        ]
        indexes = [
            models.Index(fields=["app"], name="command_open", condition=Q(finished_at__isnull=True)),
            models.Index(fields=["-created_at", "-id"], name="command_newest"),
            models.Index(fields=["-created_at"], name="command_with_a_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.app.code}"


from apps.runtime import bulk_models, day_models, function_models, node_models, queue_models  # noqa: E402, F401 - found through this module
