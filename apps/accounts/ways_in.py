"""What somebody signs in with besides a password: a second factor, and an account at an OpenID provider."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.core.encryption.fields import EncryptedTextField


class SecondFactor(models.Model):
    """What an authenticator app of one person and we both know. It counts once it was confirmed by a code."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor")
    secret = EncryptedTextField(bound_to=("user",))
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0, help_text="Of the last code that was taken; none is taken twice.")
    recovery_hashes = models.JSONField(default=list, help_text="SHA-256 of each code that is left.")
    failures = models.PositiveIntegerField(default=0)
    locked_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"second factor of {self.user.get_username()}"


class Identity(models.Model):
    """Who somebody is at an OpenID provider. Names and addresses change there; these two never do."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="identity_once")]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"
