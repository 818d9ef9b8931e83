"""The form of a connection: what it shows, what it never shows again, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from apps.databases.connectors import CONNECTORS
from apps.databases.models import Connection

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Connection]
else:
    _ModelForm = forms.ModelForm

#: Where the password would go: when one of these changes it has to be typed again.
PLACES = ("engine", "host", "port", "user", "tls")


class ConnectionForm(_ModelForm):
    """A connection. The password goes in and never comes out."""

    engine = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    password = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Never shown again; empty keeps what is there."),
    )

    class Meta:
        model = Connection
        exclude = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "engine" in self.fields:
            engines = [(name, connector.title) for name, connector in sorted(CONNECTORS.items())]
            self.fields["engine"] = forms.ChoiceField(choices=engines, widget=UnfoldAdminSelectWidget)
        self.initial["password"] = ""
        self.initial["engine"] = self.instance.engine or "postgresql"
        self._has_password = self.instance.has_password
        self._places = {name: getattr(self.instance, name) for name in PLACES}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        moved = [name for name in PLACES if name in data and data[name] != self._places[name]]
        if self._has_password and not data.get("password") and moved:
            self.add_error("password", _("Type it again: where it goes has changed."))
        return data

    def _get_validation_exclusions(self) -> set[str]:
        # Looking at the stored one would decrypt it.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | {"password"}

    def _post_clean(self) -> None:
        typed = self.cleaned_data.pop("password", "")
        super()._post_clean()  # type: ignore[misc]
        self.cleaned_data["password"] = typed
        if typed:
            self.instance.password = typed
