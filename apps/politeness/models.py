"""Sites, with the turns that are given out there; the ways to their hosts; their robots.txt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.core.choices import ColouredChoices
from collectors.toolkit.politeness.pauses import LONGEST_NAME, LONGEST_S, Why

_IS_PAUSE = [MinValueValidator(0), MaxValueValidator(LONGEST_S)]


class Reason(ColouredChoices):
    """Why the pause is as long as it is."""

    DEFAULT = Why.DEFAULT.value, "default", "of the installation"
    SOURCE = Why.SOURCE.value, "default", "as the source says"
    OPERATOR = Why.OPERATOR.value, "info", "set here"
    CRAWL_DELAY = Why.CRAWL_DELAY.value, "info", "Crawl-delay of robots.txt"
    TOO_MANY = Why.TOO_MANY.value, "warning", "it answered 429"
    UNAVAILABLE = Why.UNAVAILABLE.value, "warning", "it answered 503"
    SLOW = Why.SLOW.value, "warning", "it has become slow"


def moment(seconds: float | None) -> datetime | None:
    """A time of the ledger as a moment; None for never."""
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds else None


class Site(models.Model):
    """What is fetched from with pauses between the requests: a registrable domain, or a host.

    The times are seconds since 1970 by the clock of the database, which gives the turns out (`ledger.py`): one
    statement adds to them on SQLite and on PostgreSQL alike.
    """

    #: What people decide; everything else is the ledger's, and is never written by a form.
    DECIDED = ("low_s", "high_s", "at_once")

    name = models.CharField("site", max_length=LONGEST_NAME, unique=True, editable=False)
    low_s = models.FloatField(
        "least pause", null=True, blank=True, validators=_IS_PAUSE, help_text="Seconds; empty: as the source says."
    )
    high_s = models.FloatField(
        "longest pause", null=True, blank=True, validators=_IS_PAUSE, help_text="Seconds; each pause is a random one."
    )
    at_once = models.PositiveSmallIntegerField(
        "requests at once", default=0, help_text="Over all processes; 0: any number, as the pauses allow."
    )
    why = models.CharField(max_length=16, choices=Reason, default=Reason.DEFAULT, editable=False)
    used_low_s = models.FloatField(default=0, editable=False)
    used_high_s = models.FloatField(default=0, editable=False)
    penalty_s = models.FloatField(default=0, editable=False)
    penalty_why = models.CharField(max_length=16, choices=Reason, blank=True, editable=False)
    penalty_time = models.FloatField(default=0, editable=False)
    slot_time = models.FloatField(default=0, editable=False)
    next_time = models.FloatField(default=0, editable=False)
    sent_time = models.FloatField(default=0, editable=False)
    rest_until = models.FloatField(default=0, editable=False)
    owner = models.CharField(max_length=40, blank=True, editable=False)
    shared_until = models.FloatField(default=0, editable=False)
    latency_s = models.FloatField(default=0, editable=False)
    circuits = models.PositiveIntegerField(default=0, editable=False)
    answer_count = models.BigIntegerField(default=0, editable=False)
    refused_count = models.BigIntegerField(default=0, editable=False)
    refused_time = models.FloatField(default=0, editable=False)
    asked_time = models.FloatField(default=0, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **options: Any) -> None:
        """A form saves what people decide: turns are given out while it is open."""
        if not self._state.adding and options.get("update_fields") is None:
            options["update_fields"] = self.DECIDED
        super().save(*args, **options)

    @property
    def reason(self) -> Reason:
        """Why the pause is as long as it is."""
        return Reason(self.penalty_why if self.penalty_s and self.penalty_why else self.why)


class Circuit(models.Model):
    """The way to a host: directly, or by a proxy or one of its sessions."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="ways")
    host = models.CharField(max_length=255)
    egress = models.CharField("way", max_length=200)
    is_open = models.BooleanField(default=True)
    why = models.CharField(max_length=400, blank=True)
    opened_time = models.FloatField(default=0)
    until = models.FloatField(default=0)
    probe_until = models.FloatField(default=0)
    hold_s = models.FloatField(default=0)

    class Meta:
        ordering = ["host", "egress"]
        constraints = [models.UniqueConstraint(fields=["site", "host", "egress"], name="circuit_once_per_way")]

    def __str__(self) -> str:
        return f"{self.host} ({self.egress})"


class RobotsFile(models.Model):
    """A robots.txt as it was given."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="robots")
    origin = models.CharField(max_length=300, unique=True)
    fetched_time = models.FloatField()
    status = models.PositiveSmallIntegerField()
    text = models.TextField(blank=True)
    crawl_s = models.FloatField(default=0)

    class Meta:
        ordering = ["origin"]

    def __str__(self) -> str:
        return f"{self.origin}/robots.txt"


class Place(models.Model):
    """One of the requests that may be under way at a site, lent for a time."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="places")
    number = models.PositiveSmallIntegerField()
    token = models.CharField(max_length=40)
    until = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "number"], name="place_once_per_site")]

    def __str__(self) -> str:
        return f"{self.site_id} {self.number}"
