"""Answers that are kept for those who ask again with the same key."""

from __future__ import annotations

from django.db import models


class StoredAnswer(models.Model):
    """What a write with an `Idempotency-Key` was answered. The same request again gets it once more."""

    owner = models.CharField(max_length=80, help_text="Who asked: a user or a client; keys of others do not meet.")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the request, which another one does not have.")
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty: not answered yet.")
    headers = models.JSONField(default=dict, blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="answer_once_per_key")]
        indexes = [models.Index(fields=["expires_at"], name="answer_expiry")]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"
