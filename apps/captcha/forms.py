"""The form of an account: the key goes in and never comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.captcha.models import Budget, SolverAccount
from apps.core.encryption.keys import PREFIX, EncryptionError
from apps.core.encryption.ring import current_ring
from collectors.toolkit.journal.known import known
from collectors.toolkit.journal.redaction import MIN_SECRET_CHARS

if TYPE_CHECKING:
    _AccountForm = forms.ModelForm[SolverAccount]
    _BudgetForm = forms.ModelForm[Budget]
else:
    _AccountForm = _BudgetForm = forms.ModelForm

ENCRYPTED = SolverAccount._meta.get_field("key")
#: Where the key would go: when one of these changes, it has to be typed again.
PLACES = ENCRYPTED.bound_to


class SolverAccountForm(_AccountForm):
    """An account. Without a key the old one stays, unless it would go elsewhere."""

    key = forms.CharField(
        required=False,
        label=_("Key"),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Stored encrypted and never shown again; empty keeps what is there."),
    )

    class Meta:
        model = SolverAccount
        fields = (
            *("name", "kind", "url", "key", "is_active", "order", "prices", "notes"),
            *("timeout_s", "poll_s", "low_balance"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["key"] = ""
        self._places = {name: getattr(self.instance, name) for name in PLACES}

    def clean_key(self) -> str:
        typed = str(self.cleaned_data["key"]).strip()
        if not typed:
            return ""
        known.learn(typed)
        if len(typed) < MIN_SECRET_CHARS or typed.startswith(PREFIX):
            raise forms.ValidationError(_("This is no key of a solver."))
        try:
            current_ring()
        except EncryptionError as error:
            raise forms.ValidationError(_("It cannot be stored. %(error)s") % {"error": error}) from None
        return typed

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("key") or "key" in self.errors:
            return data
        if not ENCRYPTED.is_set(self.instance):
            self.add_error("key", _("Type the key."))
        elif any(name in data and data[name] != self._places[name] for name in PLACES):
            self.add_error("key", _("Type it again: where it goes has changed."))
        else:
            try:
                data["key"] = self.instance.key
            except EncryptionError as error:
                self.add_error("key", _("Type it again. %(error)s") % {"error": error})
        return data

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        if "key" in self.changed_data or any(name in self.changed_data for name in PLACES):
            # Whatever it refused was said to another key.
            self.instance.rests_until, self.instance.said = None, ""
        return super().save(commit)


class BudgetForm(_BudgetForm):
    """What may be spent. The app stays what it was."""

    class Meta:
        model = Budget
        fields = ("app", "per_day", "each_app")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        app = data.get("app") if "app" in self.fields else self.instance.app
        if app is not None and data.get("each_app") is not None:
            self.add_error("each_app", _("Only the budget of the installation says this; leave it empty."))
        if app is None and data.get("each_app") is None and "each_app" not in self.errors:
            self.add_error("each_app", _("Say what an app may spend that has no budget of its own."))
        return data
