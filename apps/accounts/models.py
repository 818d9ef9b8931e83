"""People who sign in, and the links that let them in once."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q

from apps.core.choices import ColouredChoices


class User(AbstractUser):
    """A person. Roles are Django groups; `roles.py` says what each may do."""


class LoginLinkQuerySet(models.QuerySet["LoginLink"]):
    def open(self, now: datetime) -> LoginLinkQuerySet:
        """Links that would still let their user in."""
        return self.filter(used_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now)


class LoginLink(models.Model):
    """A link that signs one person in, once. Only a hash of its token is kept."""

    class Fate(ColouredChoices):
        OPEN = "OPEN", "info", "open"
        USED = "USED", "success", "used"
        REVOKED = "REVOKED", "default", "revoked"
        EXPIRED = "EXPIRED", "default", "expired"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="login_links")
    token_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the token.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = LoginLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="login_link_lasts"),
        ]

    def __str__(self) -> str:
        return f"link for {self.user.get_username()}"

    def fate(self, now: datetime) -> Fate:
        """What became of it."""
        if self.used_at is not None:
            return self.Fate.USED
        if self.revoked_at is not None:
            return self.Fate.REVOKED
        return self.Fate.OPEN if self.expires_at > now else self.Fate.EXPIRED


class AuditEntry(models.Model):
    """Something somebody did. It names its subject in words, because the subject may be gone."""

    SHELL = "SHELL"

    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(
        "by", max_length=150, blank=True, help_text="A user name; from a shell, that of the machine's account."
    )
    source = models.CharField(max_length=16, help_text="Where it came from: admin, shell, API, or the platform itself.")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["-at", "-id"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
