"""Sums of the runs of a day, so that nobody has to look at a month of runs to draw a line."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class RunDay(models.Model):
    """The runs that were queued on one day of the platform's time zone: of one app, or of all (`app` is empty)."""

    day = models.DateField()
    app = models.ForeignKey("registry.App", on_delete=models.CASCADE, null=True, related_name="+")
    runs = models.PositiveIntegerField(default=0, help_text="Those whose end says how collecting went.")
    succeeded = models.PositiveIntegerField(default=0)
    wrong = models.PositiveIntegerField(default=0)
    inserted = models.BigIntegerField(default=0)
    archived = models.BigIntegerField(default=0)
    is_settled = models.BooleanField(default=False, help_text="No run of that day was open when it was counted.")

    class Meta:
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(fields=["day"], condition=Q(app__isnull=True), name="day_once"),
            models.UniqueConstraint(fields=["app", "day"], condition=Q(app__isnull=False), name="day_once_per_app"),
        ]

    def __str__(self) -> str:
        return f"{self.day}"
