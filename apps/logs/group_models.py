"""Errors that are one, counted."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.choices import ColouredChoices


class ErrorGroup(models.Model):
    """All lines with one fingerprint. `apps/logs/groups.py` counts them while they are shipped."""

    class State(ColouredChoices):
        OPEN = "OPEN", "danger", "open"
        SNOOZED = "SNOOZED", "warning", "snoozed"
        RESOLVED = "RESOLVED", "success", "resolved"

    fingerprint = models.CharField(primary_key=True, max_length=32, editable=False)
    title = models.CharField(max_length=300, help_text="What the first of its lines said.")
    logger = models.CharField(max_length=200, blank=True)
    level = models.PositiveSmallIntegerField(help_text="The highest level of its lines.")
    count = models.BigIntegerField(default=0)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    last_runtime = models.ForeignKey(
        "runtime.Runtime", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False
    )
    last_line_number = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    resolved_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody called it resolved; an occurrence after that opens it again."
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)

    class Meta:
        verbose_name = "error"
        ordering = ["-last_seen_at", "fingerprint"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="RESOLVED") | Q(resolved_at__isnull=False), name="error_group_resolved_has_a_time"
            )
        ]
        indexes = [models.Index(fields=["state", "-last_seen_at"], name="error_group_inbox")]

    def __str__(self) -> str:
        return self.title


class ErrorGroupApp(models.Model):
    """How often an app had the error."""

    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="apps", db_constraint=False)
    app = models.ForeignKey("registry.App", on_delete=models.CASCADE, related_name="+", db_constraint=False)
    count = models.BigIntegerField(default=0)
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-count", "id"]
        constraints = [models.UniqueConstraint(fields=["group", "app"], name="error_group_once_per_app")]

    def __str__(self) -> str:
        return f"{self.app}: {self.count}"
