"""The form of a provider: what it shows, what it never shows again, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget as _Textarea

from apps.core.clock import utc_now
from apps.core.encryption.keys import PREFIX, EncryptionError
from apps.core.encryption.ring import current_ring
from apps.proxies.models import Provider

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Provider]
else:
    _ModelForm = forms.ModelForm

_SECRET = Provider._meta.get_field("secret")
#: Where the secret would go: when one of these changes, it has to be typed again.
PLACES = _SECRET.bound_to


class WriteOnlyTextarea(_Textarea):  # type: ignore[misc]
    """Takes text and shows none, that of a form with errors neither."""

    def format_value(self, value: Any) -> None:
        del value


class ProviderForm(_ModelForm):
    """A provider. The secret goes in and never comes out."""

    secret = forms.CharField(
        required=False,
        label=_("Password or list"),
        widget=WriteOnlyTextarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "Bright Data: the password of the zone. Address list: one proxy a line, as http://user:password@host:port, "
            "https:// or socks5://. Never shown again; empty keeps what is there."
        ),
    )

    class Meta:
        model = Provider
        exclude = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["secret"] = ""
        self._places = {name: getattr(self.instance, name) for name in PLACES}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        typed = data.get("secret", "").strip().replace("\r\n", "\n")
        if typed:
            self._refuse_what_cannot_be_kept(typed)
        moved = [name for name in PLACES if name in data and data[name] != self._places[name]]
        if _SECRET.is_set(self.instance) and not typed and moved:
            self.add_error("secret", _("Type it again: where it goes has changed."))
        data["secret"] = typed or ("" if moved else self._known())
        if not self.errors:
            self._check(data)
        return data

    def _refuse_what_cannot_be_kept(self, typed: str) -> None:
        try:
            current_ring()
        except EncryptionError as error:
            self.add_error("secret", _("It cannot be stored. %(error)s") % {"error": error})
        if typed.startswith(PREFIX) or "\x00" in typed:
            self.add_error("secret", _("This is neither a password nor a list."))

    def _known(self) -> str:
        """What is there, to be kept."""
        try:
            return self.instance.secret
        except EncryptionError as error:
            self.add_error("secret", _("Type it again. %(error)s") % {"error": error})
            return ""

    def _check(self, data: dict[str, Any]) -> None:
        from apps.proxies.offers import offer_of
        from collectors.toolkit.http.providers import BadProvider

        try:
            offer_of(Provider(**{name: value for name, value in data.items() if name in self.fields}))
        except BadProvider as error:
            self.add_error("secret", str(error))

    def _save_m2m(self) -> None:
        # Called when the row is there, by whatever way it is saved.
        from apps.proxies.exits import sync_exits
        from apps.proxies.offers import offer_of

        super()._save_m2m()  # type: ignore[misc]
        sync_exits(self.instance, offer_of(self.instance), now=utc_now())
