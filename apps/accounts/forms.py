"""Forms of API clients and grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from apps.accounts.models import Client
from apps.accounts.scopes import SCOPES

if TYPE_CHECKING:
    _ClientForm = forms.ModelForm[Client]
else:
    _ClientForm = forms.ModelForm

GRANTS = (
    (Client.GRANT_CLIENT_CREDENTIALS, "For itself (client credentials)"),
    (Client.GRANT_AUTHORIZATION_CODE, "For people who let it (authorization code with PKCE)"),
)
TYPES = (
    (Client.CLIENT_CONFIDENTIAL, "Confidential: runs on a server and keeps a secret"),
    (Client.CLIENT_PUBLIC, "Public: a browser, phone or desktop app"),
)


class ClientForm(_ClientForm):
    """An API client. Its secret is made by us and shown once, so there is no field for it."""

    authorization_grant_type = forms.ChoiceField(label="Acts", choices=GRANTS, widget=UnfoldAdminSelectWidget)
    client_type = forms.ChoiceField(label="Kind", choices=TYPES, widget=UnfoldAdminSelectWidget)
    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {text}") for name, text in SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=["read"],
        help_text="The most its tokens may do. A person's tokens never do more than the person may.",
    )

    class Meta:
        model = Client
        fields = ("name", "authorization_grant_type", "client_type", "redirect_uris", "scopes", "role", "is_active")

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if not name:
            raise forms.ValidationError("Give it a name: people read it when they are asked to let it in.")
        return name

    def clean_redirect_uris(self) -> str:
        return "\n".join(str(self.cleaned_data["redirect_uris"]).split())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "redirect_uris" in self.fields:
            self.fields[
                "redirect_uris"
            ].help_text = (
                "For authorization code: where people are sent back to, one a line, exactly as the client says it."
            )
