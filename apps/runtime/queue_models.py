"""Lists of items that outlive the run that works on them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class ItemQueue(models.Model):
    """The list of an app for certain arguments, and how far it was worked off."""

    app = models.ForeignKey("registry.App", on_delete=models.CASCADE, related_name="item_queues")
    args_digest = models.CharField("arguments", max_length=64, help_text="Runs with other arguments have another list.")
    worked_by = models.CharField("last run", max_length=32, help_text="The run that works on it, or did so last.")
    epoch = models.BigIntegerField(default=0, help_text="Of that run; who comes with an older one writes nothing.")
    is_listed = models.BooleanField("listed", default=False, help_text="Whether the whole list is in it.")
    size = models.PositiveBigIntegerField(default=0)
    done = models.PositiveBigIntegerField(default=0, help_text="Collected and stored.")
    given_up = models.PositiveBigIntegerField(default=0, help_text="Failed as often as the source allows.")
    begun_at = models.DateTimeField(help_text="When the list was begun.")
    touched_at = models.DateTimeField("last worked on")
    expires_at = models.DateTimeField(help_text="From then on a run makes a new list.")

    class Meta:
        verbose_name = "item queue"
        ordering = ["-touched_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["app", "args_digest"], name="item_queue_one_per_list"),
            models.CheckConstraint(condition=Q(size__gte=F("done") + F("given_up")), name="item_queue_adds_up"),
        ]

    def __str__(self) -> str:
        return f"{self.app.code} {self.args_digest[:8]}"

    @property
    def left(self) -> int:
        """Items that are still to be collected."""
        return self.size - self.done - self.given_up


class QueuedItem(models.Model):
    """One item that was not stored yet."""

    queue = models.ForeignKey(ItemQueue, on_delete=models.CASCADE, related_name="items", db_index=False)
    digest = models.CharField(max_length=32)
    text = models.TextField()
    failures = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["queue", "digest"], name="queued_item_once")]
        indexes = [models.Index(fields=["queue", "id"], name="queued_item_in_order")]

    def __str__(self) -> str:
        return self.text[:80]


class QueueSeen(models.Model):
    """The keys of rows that were stored from a queue: what the last step of the list leaves alone."""

    queue = models.ForeignKey(ItemQueue, on_delete=models.CASCADE, related_name="seen")
    group = models.TextField()
    keys = models.BinaryField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.group[:80]
