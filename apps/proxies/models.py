"""Providers of proxies, their ways out, who holds which address for which site, and what sites make of them."""

from __future__ import annotations

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from apps.core.choices import ColouredChoices
from apps.core.encryption.fields import EncryptedTextField

#: An address, or the name of a way out that no judge has seen.
LONGEST_ADDRESS = 100
LONGEST_DOMAIN = 253
LONGEST_LABEL = 200


class Verdict(ColouredChoices):
    """What the judges found when they were asked by a way out."""

    UNJUDGED = "UNJUDGED", "default", "not judged yet"
    GOOD = "GOOD", "success", "good"
    UNCLEAR = "UNCLEAR", "warning", "unclear"
    FAILED = "FAILED", "danger", "failed"
    REFUSED = "REFUSED", "danger", "refuses our password"
    LIES = "LIES", "danger", "lies about its address"


class Provider(models.Model):
    """Somebody who sells ways out; asked in their order."""

    class Kind(ColouredChoices):
        LIST = "LIST", "default", "address list"
        BRIGHTDATA = "BRIGHTDATA", "info", "Bright Data"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=16, choices=Kind)
    order = models.PositiveSmallIntegerField(
        default=10, help_text="Small numbers are asked first; the next one when this one has nothing to give."
    )
    is_active = models.BooleanField("active", default=True)
    country = models.CharField(
        max_length=2,
        blank=True,
        validators=[RegexValidator(r"^[a-z]{2}\Z", "Write two small letters, such as de.")],
        help_text="Where its addresses are: two letters, such as de; empty: anywhere.",
    )
    host = models.CharField("gateway", max_length=255, blank=True, help_text="Of Bright Data: its host.")
    port = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = models.CharField(
        max_length=255, blank=True, help_text="Of Bright Data: brd-customer-...-zone-..., without country and session."
    )
    secret = EncryptedTextField(
        blank=True,
        bound_to=["kind", "host", "user"],
        help_text="Bright Data: the password of the zone. Address list: one proxy a line.",
    )
    cooldown_s = models.PositiveIntegerField(
        "rest (seconds)",
        default=300,
        validators=[MaxValueValidator(86_400)],
        help_text="So long nobody else gets an address for a site that somebody used it for.",
    )
    price_per_gb = models.DecimalField(
        "price per GB", max_digits=12, decimal_places=6, default=Decimal(0), validators=[MinValueValidator(0)]
    )
    price_per_request = models.DecimalField(
        max_digits=12, decimal_places=8, default=Decimal(0), validators=[MinValueValidator(0)]
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name


class ProxyExit(models.Model):
    """One way out: a proxy of a list, or a session of a gateway, and what the judges said of it last."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="exits")
    session = models.CharField(max_length=64, help_text="What its provider knows it by.")
    label = models.CharField(max_length=LONGEST_LABEL, help_text="Without user and password.")
    address = models.CharField(max_length=LONGEST_ADDRESS, blank=True, help_text="What sites see.")
    verdict = models.CharField(max_length=12, choices=Verdict, default=Verdict.UNJUDGED)
    said = models.TextField(blank=True, help_text="What the judges said, or why they could not be asked.")
    judged_at = models.DateTimeField(null=True, blank=True)
    next_judge_at = models.DateTimeField(null=True, blank=True, help_text="Before that nobody judges it.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "way out"
        verbose_name_plural = "ways out"
        ordering = ["provider__order", "label", "id"]
        constraints = [models.UniqueConstraint(fields=["provider", "session"], name="exit_once_per_provider")]
        indexes = [models.Index(fields=["provider", "verdict", "judged_at"], name="exit_by_verdict")]

    def __str__(self) -> str:
        return self.label


class ReservationQuerySet(models.QuerySet["ProxyReservation"]):
    def open(self) -> ReservationQuerySet:
        """Those that nobody has given back; whoever held one may be gone."""
        return self.filter(released_at__isnull=True)


class ProxyReservation(models.Model):
    """Who has an address for a site, or had it last. One row for both: the constraint on it is the arbiter."""

    class End(ColouredChoices):
        RELEASED = "RELEASED", "success", "given back"
        RUN_ENDED = "RUN_ENDED", "info", "its run ended"
        EXPIRED = "EXPIRED", "warning", "not renewed"
        BY_HAND = "BY_HAND", "warning", "taken away"

    ip = models.CharField("address", max_length=LONGEST_ADDRESS)
    domain = models.CharField("site", max_length=LONGEST_DOMAIN)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="reservations")
    exit = models.ForeignKey(
        ProxyExit, on_delete=models.SET_NULL, null=True, blank=True, related_name="reservations", verbose_name="way out"
    )
    token = models.CharField(max_length=32, unique=True)
    fence = models.BigIntegerField(help_text="Grows each time the address changes hands for this site.")
    app = models.CharField(max_length=122, blank=True)
    runtime = models.CharField("run", max_length=32, blank=True)
    holder = models.CharField(max_length=300, blank=True, help_text="Machine and process.")
    ttl_s = models.PositiveIntegerField("lasts (seconds)", help_text="From its last renewal.")
    cooldown_s = models.PositiveIntegerField("rest (seconds)")
    reserved_at = models.DateTimeField()
    renewed_at = models.DateTimeField()
    held_until = models.DateTimeField(help_text="Unless it is renewed.")
    free_at = models.DateTimeField(help_text="From then on somebody else may have the address for this site.")
    released_at = models.DateTimeField(null=True, blank=True)
    ended_as = models.CharField("ended", max_length=12, choices=End, blank=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        verbose_name = "lease"
        ordering = ["-reserved_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["ip", "domain"], name="lease_once_per_address_and_site"),
            models.CheckConstraint(condition=Q(free_at__gte=F("renewed_at")), name="lease_is_free_later"),
        ]
        indexes = [
            models.Index(fields=["runtime"], name="lease_open_of_run", condition=Q(released_at__isnull=True)),
            models.Index(fields=["held_until"], name="lease_open", condition=Q(released_at__isnull=True)),
            models.Index(fields=["-reserved_at", "-id"], name="lease_newest"),
            models.Index(fields=["domain"], name="lease_of_site"),
        ]

    def __str__(self) -> str:
        return f"{self.ip} for {self.domain}"


class ProxyBan(models.Model):
    """A site does not want an address. Every ban ends."""

    ip = models.CharField("address", max_length=LONGEST_ADDRESS)
    domain = models.CharField("site", max_length=LONGEST_DOMAIN)
    level = models.PositiveSmallIntegerField(help_text="1: five minutes ... 5: a day, 6: thirty days.")
    failures = models.PositiveIntegerField(default=1)
    reason = models.CharField(max_length=300, blank=True)
    first_failed_at = models.DateTimeField()
    last_failed_at = models.DateTimeField()
    escalated_at = models.DateTimeField(help_text="When it got its level.")
    until = models.DateTimeField("banned until")
    decays_at = models.DateTimeField(help_text="Then it sinks by a level.")

    class Meta:
        verbose_name = "ban"
        ordering = ["-last_failed_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["ip", "domain"], name="ban_once_per_address_and_site"),
            models.CheckConstraint(condition=Q(level__gte=0, level__lte=6), name="ban_level_is_known"),
        ]
        indexes = [
            models.Index(fields=["-last_failed_at", "-id"], name="ban_newest"),
            models.Index(fields=["decays_at"], name="ban_decays"),
            models.Index(fields=["domain"], name="ban_of_site"),
        ]

    def __str__(self) -> str:
        return f"{self.ip} at {self.domain}"


class ProxyTarget(models.Model):
    """What the requests to a site by a provider came to."""

    domain = models.CharField("site", max_length=LONGEST_DOMAIN)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="targets")
    requests = models.PositiveBigIntegerField(default=0)
    succeeded = models.PositiveBigIntegerField(default=0)
    rotated = models.PositiveBigIntegerField(default=0, help_text="After which another address was taken.")
    recent = models.FloatField(
        "recent success", default=0.0, help_text="Share that succeeded, 0 to 1; the newest fifty count most."
    )
    bytes_sent = models.PositiveBigIntegerField(default=0)
    bytes_received = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(max_digits=20, decimal_places=10, default=Decimal(0))
    last_error = models.CharField(max_length=300, blank=True)
    first_used_at = models.DateTimeField()
    last_used_at = models.DateTimeField()

    class Meta:
        verbose_name = "site"
        ordering = ["-last_used_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["domain", "provider"], name="target_once_per_provider")]
        indexes = [models.Index(fields=["-last_used_at", "-id"], name="target_newest")]

    def __str__(self) -> str:
        return self.domain
