"""Where people want to be told, and what they were told."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.db.models import Q

from apps.core.choices import Choices, ColouredChoices
from apps.core.encryption.fields import EncryptedTextField


class Kind(ColouredChoices):
    """What a message is about."""

    DISABLED = "DISABLED", "danger", "an app was disabled"
    FAILED = "FAILED", "danger", "a run failed"
    RECOVERED = "RECOVERED", "success", "an app works again"
    NOT_RUN = "NOT_RUN", "warning", "a run did not happen"
    LOW = "LOW", "warning", "a balance is low"
    TEST = "TEST", "info", "test"


class Channel(models.Model):
    """One place where people are told."""

    class Service(ColouredChoices):
        EMAIL = "EMAIL", "default", "email"
        TELEGRAM = "TELEGRAM", "default", "Telegram"
        SLACK = "SLACK", "default", "Slack"
        TEAMS = "TEAMS", "default", "Teams (Workflows)"
        WEBHOOK = "WEBHOOK", "default", "signed webhook"
        APPRISE = "APPRISE", "default", "any Apprise address"

    class Security(Choices):
        STARTTLS = "STARTTLS", "STARTTLS"
        TLS = "TLS", "TLS from the start"
        NONE = "NONE", "none (a relay on this machine)"

    name = models.CharField(max_length=100, unique=True)
    service = models.CharField(max_length=16, choices=Service)
    is_enabled = models.BooleanField("enabled", default=True)
    recipients = models.CharField(
        max_length=500, blank=True, help_text="Email addresses or Telegram chat ids, separated by commas."
    )
    url = models.CharField(
        "webhook address",
        max_length=500,
        blank=True,
        validators=[URLValidator(["http", "https"])],
        help_text="Where the signed message is posted to.",
    )
    is_private_allowed = models.BooleanField(
        "private address allowed",
        default=False,
        help_text="The webhook may be in a private network or on this machine.",
    )
    #: Bound to where it is sent: behind the back of the form a channel cannot be pointed elsewhere.
    secret = EncryptedTextField(
        blank=True,
        bound_to=["service", "smtp_host", "smtp_user", "smtp_security", "url"],
        help_text="Never shown again; leave empty to keep what is there.",
    )
    smtp_host = models.CharField("mail server", max_length=255, blank=True)
    smtp_port = models.PositiveIntegerField(
        "port",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="Empty: 587 with STARTTLS, 465 with TLS, 25 without.",
    )
    smtp_security = models.CharField("connection security", max_length=16, choices=Security, default=Security.STARTTLS)
    smtp_user = models.CharField("user", max_length=255, blank=True)
    sender = models.EmailField(blank=True, help_text="The address mails come from.")
    kinds = models.JSONField(default=list, blank=True, help_text="None chosen: all of them.")
    apps = models.JSONField(default=list, blank=True)
    last_sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def wants(self, kind: Kind, app_code: str) -> bool:
        """Whether people of this channel want to hear of `kind` happening to this app; "" is the platform itself."""
        if self.kinds and kind not in self.kinds:
            return False
        return not self.apps or any(app_code == entry or app_code.startswith(f"{entry}.") for entry in self.apps)


class Delivery(models.Model):
    """One message to one channel: the outbox, and what became of it."""

    class State(ColouredChoices):
        PENDING = "PENDING", "info", "pending"
        SENDING = "SENDING", "primary", "sending"
        SENT = "SENT", "success", "sent"
        FAILED = "FAILED", "danger", "failed"
        SKIPPED = "SKIPPED", "default", "skipped"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=16, choices=Kind)
    subject = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    link = models.CharField(max_length=500, blank=True)
    app_code = models.CharField("app", max_length=122, blank=True)
    dedup_key = models.CharField(max_length=200, blank=True, help_text="One message of this key for each channel.")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "dedup_key"], condition=~Q(dedup_key=""), name="delivery_once_per_key"
            )
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="PENDING"), name="delivery_due"),
            models.Index(fields=["claimed_at"], condition=Q(state="SENDING"), name="delivery_sending"),
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return self.subject
