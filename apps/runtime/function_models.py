"""Watched functions, and what came together of each in each run."""

from __future__ import annotations

from django.db import models


class Totals(models.Model):
    """The figures of a function, over some calls. Written by `apps.runtime.functions` alone, which adds to them."""

    calls = models.PositiveBigIntegerField(default=0, help_text="Those that ended, whichever way.")
    errors = models.PositiveBigIntegerField(default=0, help_text="Calls that ended with an exception.")
    has_failed = models.BooleanField(
        "failed before", default=False, help_text="At least one error; no later success takes that back."
    )
    last_error = models.TextField(blank=True)
    task_size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Things to do, over all calls.")
    solved = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    total_ms = models.FloatField("total (ms)", default=0.0)
    mean_ms = models.FloatField("mean (ms)", null=True, blank=True)
    p50_ms = models.FloatField("p50 (ms)", null=True, blank=True, help_text="Half of the calls were faster.")
    p95_ms = models.FloatField("p95 (ms)", null=True, blank=True, help_text="19 of 20 calls were faster.")
    min_ms = models.FloatField("fastest (ms)", null=True, blank=True)
    max_ms = models.FloatField("slowest (ms)", null=True, blank=True)
    sketch = models.JSONField(default=dict, blank=True, help_text="Bucket -> calls; p50 and p95 come from it.")

    class Meta:
        abstract = True


class AppFunction(Totals):
    """A watched function of an app, over all of its runs. Registered by its first call."""

    app = models.ForeignKey("registry.App", on_delete=models.CASCADE, related_name="functions")
    identity = models.CharField(
        max_length=64, unique=True, editable=False, help_text="SHA3-256 of the app's identity|module.qualified name"
    )
    qualified_name = models.CharField("function", max_length=400, help_text="Within its module: Prices.collect")
    module = models.CharField(max_length=400)
    file = models.CharField(max_length=400, blank=True)
    first_seen_at = models.DateTimeField("first seen")
    last_seen_at = models.DateTimeField("last seen")
    run_count = models.PositiveIntegerField("runs", default=0)

    class Meta:
        verbose_name = "function"
        ordering = ["-total_ms", "-id"]
        indexes = [models.Index(fields=["app", "-total_ms"], name="function_slowest_of_app")]

    def __str__(self) -> str:
        return self.qualified_name


class FunctionLog(Totals):
    """A function in one run, whatever threads and processes of it called it."""

    function = models.ForeignKey(AppFunction, on_delete=models.CASCADE, related_name="logs")
    runtime = models.ForeignKey("runtime.Runtime", on_delete=models.CASCADE, related_name="functions")
    parent = models.ForeignKey(
        AppFunction,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Of the functions that called it, the one from which it took most of its time.",
    )
    first_start_at = models.DateTimeField("first start")
    last_end_at = models.DateTimeField("last end", null=True, blank=True)
    callers = models.JSONField(
        default=dict, blank=True, help_text="Id of the calling function, or nothing -> calls and milliseconds."
    )

    class Meta:
        verbose_name = "function in a run"
        verbose_name_plural = "functions in runs"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["runtime", "function"], name="function_once_per_run"),
        ]
        indexes = [models.Index(fields=["function", "-first_start_at"], name="function_newest_runs")]

    def __str__(self) -> str:
        return f"{self.function} in {self.runtime_id[:8]}"
