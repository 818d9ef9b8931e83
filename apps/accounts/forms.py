"""Forms of signing in and of API clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm
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


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Name and password. Somebody who has to wait is told so, and not whether the password was right."""

    def get_invalid_login_error(self) -> ValidationError:
        locked = getattr(self.request, "lockout", None)
        if locked is not None:
            return ValidationError(str(locked), code="locked")
        error: ValidationError = super().get_invalid_login_error()
        return error


class ClientForm(_ClientForm):
    """An API client. Its secret is made by us and shown once, so there is no field for it."""

    authorization_grant_type = forms.ChoiceField(label="Acts", choices=GRANTS, widget=UnfoldAdminSelectWidget)
    client_type = forms.ChoiceField(label="Kind", choices=TYPES, widget=UnfoldAdminSelectWidget)
    scopes = forms.MultipleChoiceField(
        choices=[(name, name) for name in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=["read"],
        help_text="The most its tokens may do, and never more than their owner may. "
        + " ".join(f"{name}: {text}." for name, text in SCOPES.items()),
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
        addresses = self.fields.get("redirect_uris")
        if addresses is not None:
            addresses.widget.attrs["rows"] = 3
            addresses.help_text = "Where people are sent back to, one a line, exactly as the client says it."
