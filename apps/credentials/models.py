"""What a source needs to get in somewhere: logins, API keys."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from apps.core.encryption.fields import EncryptedTextField
from collectors.identity import NAME

is_name = RegexValidator(rf"^{NAME.pattern}\Z", "Use small letters, digits and underscores, a letter first.")


class Credential(models.Model):
    """One secret of an app, which its source reads as `context.secrets[name]`."""

    app = models.ForeignKey("registry.App", on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(max_length=40, validators=[is_name], help_text='The source reads context.secrets["name"].')
    value = EncryptedTextField(bound_to=["app", "name"])
    description = models.CharField(max_length=200, blank=True, help_text="What it opens, and who can renew it.")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField("value changed", null=True, editable=False)

    class Meta:
        ordering = ["app__code", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["app", "name"],
                name="credential_once_per_app",
                violation_error_message="This app has a credential of that name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def problem(self) -> str:
        """Why the value cannot be had; empty when it can."""
        field: EncryptedTextField = self._meta.get_field("value")  # type: ignore[assignment]
        return field.problem(self)
