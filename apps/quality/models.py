"""Datasets, how their merges went, their rules, and the rows that were put aside."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.choices import ColouredChoices


class Outcome(ColouredChoices):
    """What the rules said of a merge."""

    PASS = "pass", "success", "pass"
    WARN = "warn", "warning", "warn"
    BLOCK = "block", "danger", "block"


class Dataset(models.Model):
    """A table of collected rows, as its last merge left it. Made by the first merge."""

    label = models.CharField(max_length=200, unique=True, help_text="Of its model: shop_books_prices.price.")
    app = models.ForeignKey(
        "registry.App", on_delete=models.SET_NULL, null=True, blank=True, related_name="datasets", editable=False
    )
    outcome = models.CharField("last verdict", max_length=8, choices=Outcome)
    cause = models.TextField(blank=True, help_text="What the rules found in the last merge.")
    runtime = models.CharField("last run", max_length=32)
    judged_at = models.DateTimeField("last merge")
    good_at = models.DateTimeField("last stored", null=True, blank=True)
    completeness = models.FloatField(null=True, blank=True)
    trend = models.JSONField(default=list, help_text="Of the newest merges, oldest first: rows, and the verdict.")

    class Meta:
        ordering = ["label"]

    def __str__(self) -> str:
        return self.label


class Measurement(models.Model):
    """One merge: its numbers, its metrics, and what each rule said."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="measurements")
    runtime = models.CharField(max_length=32)
    merge = models.PositiveIntegerField(help_text="Which merge of the run into this table it was, from 1.")
    scope = models.CharField(max_length=400, blank=True, help_text="What the merge was limited to, as JSON.")
    at = models.DateTimeField()
    outcome = models.CharField(max_length=8, choices=Outcome)
    cause = models.TextField(blank=True)
    verdicts = models.JSONField(default=list, help_text="Of each rule: rule, kind, outcome, words and how many rows.")
    is_complete = models.BooleanField(default=True)
    completeness = models.FloatField(null=True, help_text="Share of the values that are not empty, 0 to 1.")
    consistency = models.FloatField(null=True, help_text="Share of the rows that broke no rule, 0 to 1.")
    freshness_s = models.FloatField(null=True, help_text="Seconds since the merge before that was stored.")
    stability = models.FloatField(null=True, help_text="Robust deviations from the usual number of rows.")
    current = models.BigIntegerField(default=0, help_text="Rows that were current before.")
    seen = models.BigIntegerField(default=0)
    inserted = models.BigIntegerField(default=0)
    archived = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    deleted = models.BigIntegerField(default=0)
    quarantined = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [models.UniqueConstraint(fields=["runtime", "dataset", "merge"], name="measured_once_per_merge")]
        indexes = [models.Index(fields=["dataset", "-at"], name="measurement_newest")]

    def __str__(self) -> str:
        return f"{self.dataset_id} {self.runtime[:8]} {self.merge}"


class Rule(models.Model):
    """A rule that this installation adds to those of a room, or sets in the place of a default one."""

    class Severity(ColouredChoices):
        WARN = "warn", "warning", "warn"
        BLOCK = "block", "danger", "block"
        QUARANTINE = "quarantine", "info", "quarantine"

    # Not called "dataset": unfold takes a form with a field of that name for one of its own.
    label = models.CharField(
        "dataset", max_length=200, db_index=True, help_text="The label of a model of collected rows."
    )
    kind = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict, blank=True, help_text="As JSON; docs/quality.md lists them by kind.")
    severity = models.CharField(max_length=12, choices=Severity, help_text="What follows when it is broken.")
    name = models.CharField(max_length=100, blank=True, help_text="What people call it.")
    is_enabled = models.BooleanField("enabled", default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    modified_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["label", "kind", "id"]

    def __str__(self) -> str:
        return self.name or f"{self.kind} of {self.label}"


class QuarantinedRow(models.Model):
    """A row that a rule put aside. It outlives the merge it came with, whatever became of that."""

    class State(ColouredChoices):
        HELD = "HELD", "warning", "held"
        REPLAYED = "REPLAYED", "success", "replayed"
        DISCARDED = "DISCARDED", "default", "discarded"
        REPEATED = "REPEATED", "default", "came again"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="quarantined_rows")
    runtime = models.CharField("run", max_length=32)
    merge = models.PositiveIntegerField(help_text="Which merge of the run into this table it was, from 1.")
    row = models.PositiveBigIntegerField(help_text="The number of the row in its merge, from 1.")
    rule = models.CharField(max_length=200)
    field = models.CharField(max_length=100, blank=True)
    reason = models.TextField()
    payload = models.TextField(help_text="The row as JSON, as the source gave it.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the payload that the source gave.")
    is_whole = models.BooleanField(
        default=True, help_text="False where a secret was masked in the payload: it is not the row any more."
    )
    state = models.CharField(max_length=12, choices=State, default=State.HELD)
    quarantined_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name = "quarantined row"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["runtime", "dataset", "merge", "row"], name="quarantined_once_per_merge")
        ]
        indexes = [
            models.Index(fields=["dataset", "digest"], name="quarantined_again", condition=Q(state="HELD")),
            models.Index(fields=["state", "quarantined_at"], name="quarantined_by_state"),
        ]

    def __str__(self) -> str:
        return f"row {self.row} of run {self.runtime[:8]}"


class LetThrough(models.Model):
    """Somebody says that the next merge into a dataset is right, whatever rules about merges say. It counts once."""

    dataset = models.CharField(max_length=200)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    granted_name = models.CharField(max_length=150)
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by_run = models.CharField(max_length=32, blank=True)

    class Meta:
        verbose_name_plural = "let through"
        ordering = ["-granted_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["dataset"], condition=Q(used_at__isnull=True), name="let_through_once")
        ]

    def __str__(self) -> str:
        return f"{self.dataset}, by {self.granted_name}"
