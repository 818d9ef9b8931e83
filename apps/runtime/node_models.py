"""Managers as rows, and when things were last done."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.runtime.models import new_id


class Node(models.Model):
    """One incarnation of a manager: a manager that is started again is another node.

    A node is alive while `lease_until`, written with the database's clock, lies ahead.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    host = models.CharField(max_length=255, help_text="Host name of the machine.")
    boot_id = models.CharField(max_length=36)
    pid = models.PositiveIntegerField()
    pid_started = models.BigIntegerField("process start", help_text="Clock ticks since the machine booted.")
    version = models.CharField(max_length=40, blank=True)
    queues = models.JSONField(default=list, help_text="The queues whose runs it claims.")
    slots = models.PositiveIntegerField(default=0)
    used = models.PositiveIntegerField(default=0, help_text="Slots taken, at the last heartbeat.")
    is_draining = models.BooleanField("draining", default=False, help_text="It claims no more runs.")
    broker_error = models.TextField(blank=True, help_text="Why its doorbell is silent; empty when it is not.")
    vitals = models.JSONField(default=dict, help_text="Disk, memory and journals of its machine, in bytes.")
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(help_text="The clock of the database.")
    lease_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_cause = models.TextField(blank=True)

    class Meta:
        verbose_name = "manager"
        ordering = ["-started_at", "-id"]
        indexes = [models.Index(fields=["lease_until"], name="node_alive", condition=Q(ended_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.host} {self.id[:8]}"


class Mark(models.Model):
    """When something that anybody may do was last done, by the database's clock: the tick, the reaping."""

    name = models.CharField(primary_key=True, max_length=32)
    at = models.DateTimeField()
    quiet_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then nobody is declared dead: the database or the machine was away."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
