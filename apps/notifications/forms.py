"""The form of a channel: what it shows, what it never shows again, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from apps.core.encryption.keys import PREFIX, EncryptionError
from apps.core.encryption.ring import current_ring
from apps.notifications.models import Channel, Kind

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Channel]
else:
    _ModelForm = forms.ModelForm

ENCRYPTED = Channel._meta.get_field("secret")
#: Where a secret would go: when one of these changes, the secret has to be typed again.
PLACES = ENCRYPTED.bound_to
SHORTEST_KEY = 16


class ChannelForm(_ModelForm):
    """A channel. The secret goes in and never comes out."""

    secret = forms.CharField(
        required=False,
        label=_("Secret"),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=(
            _(
                "Email: the password. Telegram: the token of the bot. Slack and Teams: the webhook address. "
                "Signed webhook: the key it is signed with. Apprise: the address. "
                "Never shown again; empty keeps what is there."
            )
        ),
    )
    kinds = forms.MultipleChoiceField(
        required=False,
        label=_("Messages about"),
        choices=[choice for choice in Kind.choices if choice[0] != Kind.TEST],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("None chosen: all of them."),
    )
    apps = forms.CharField(
        required=False,
        label=_("Only these apps"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Codes, or beginnings of codes such as shop.books, one a line. Empty: all apps and the platform."),
    )

    class Meta:
        model = Channel
        exclude = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["apps"] = "\n".join(self.instance.apps)
        self.initial["secret"] = ""
        self._places = {name: getattr(self.instance, name) for name in PLACES}

    def clean_apps(self) -> list[str]:
        entries = [line.strip().rstrip(".") for line in self.cleaned_data["apps"].replace(",", "\n").splitlines()]
        return sorted({entry for entry in entries if entry})

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        typed = data.get("secret", "").strip()
        if typed:
            self._refuse_what_cannot_be_kept(typed)
        moved = [name for name in PLACES if name in data and data[name] != self._places[name]]
        known = "" if typed or moved else self._known()
        if ENCRYPTED.is_set(self.instance) and not typed and moved:
            self.add_error("secret", _("Type it again: where it goes has changed."))
        data["secret"] = typed or known
        if not self.errors:
            self._check(data)
        return data

    def _refuse_what_cannot_be_kept(self, typed: str) -> None:
        try:
            current_ring()
        except EncryptionError as error:
            self.add_error("secret", _("It cannot be stored. %(error)s") % {"error": error})
        if typed.startswith(PREFIX):
            self.add_error("secret", _("This is no secret of a channel."))

    def _known(self) -> str:
        """What is there, to be kept."""
        try:
            return self.instance.secret
        except EncryptionError as error:
            self.add_error("secret", _("Type it again. %(error)s") % {"error": error})
            return ""

    def _check(self, data: dict[str, Any]) -> None:
        from apps.notifications.senders import BadAddress, check

        if data["service"] == Channel.Service.WEBHOOK:
            if not data["url"].startswith("https://") and not (
                data["is_private_allowed"] and data["url"].startswith("http://")
            ):
                self.add_error("url", _("Write an address that begins https://; http:// only in a private network."))
            if len(data["secret"]) < SHORTEST_KEY:
                self.add_error(
                    "secret",
                    _("A signed webhook needs a key of at least %(least)s characters.") % {"least": SHORTEST_KEY},
                )
            return
        channel = Channel(**{name: value for name, value in data.items() if name in self.fields})
        try:
            check(channel)
        except BadAddress as error:
            self.add_error(None, str(error))
