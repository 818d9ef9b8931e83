"""The form of a credential: the value goes in and never comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.core.clock import utc_now
from apps.core.encryption.keys import PREFIX, EncryptionError
from apps.core.encryption.ring import current_ring
from apps.credentials.models import Credential
from collectors.toolkit.journal.known import known
from collectors.toolkit.journal.redaction import MIN_SECRET_CHARS

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Credential]
else:
    _ModelForm = forms.ModelForm


class WriteOnlyTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc]
    """Several lines, as a private key has them. What was typed is not sent back, not even with an error."""

    def format_value(self, value: Any) -> None:
        return None


class CredentialForm(_ModelForm):
    """A credential. Without a new value the old one stays, whether it can be decrypted or not."""

    new_value = forms.CharField(
        required=False,
        strip=False,
        label=_("Value"),
        widget=WriteOnlyTextarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("Stored encrypted and never shown again; empty keeps what is there."),
    )

    class Meta:
        model = Credential
        fields = ("app", "name", "description")

    def clean_new_value(self) -> str:
        typed = str(self.cleaned_data["new_value"]).replace("\r\n", "\n")
        if not typed:
            if self.instance.pk is None:
                raise forms.ValidationError(_("Type the value."))
            return ""
        known.learn(typed)
        if len(typed) < MIN_SECRET_CHARS:
            raise forms.ValidationError(
                _("Use at least %(least)s characters: a shorter value could not be kept out of logs.")
                % {"least": MIN_SECRET_CHARS}
            )
        if "\x00" in typed or typed.startswith(PREFIX):
            raise forms.ValidationError(_("This is no value of a credential."))
        try:
            current_ring()
        except EncryptionError as error:
            raise forms.ValidationError(_("It cannot be stored. %(error)s") % {"error": error}) from None
        return typed

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        if typed := self.cleaned_data["new_value"]:
            self.instance.value = typed
            self.instance.changed_at = utc_now()
        return super().save(commit)
