"""Forms of signing in and of API clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from apps.accounts.clients import new_secret
from apps.accounts.models import Client, RoleGrant, User
from apps.accounts.scopes import SCOPES

if TYPE_CHECKING:
    _ClientForm = forms.ModelForm[Client]
    _PersonForm = forms.ModelForm[User]
    _GrantForm = forms.ModelForm[RoleGrant]
else:
    _ClientForm = _PersonForm = _GrantForm = forms.ModelForm

GRANTS = (
    (Client.GRANT_CLIENT_CREDENTIALS, _("For itself (client credentials)")),
    (Client.GRANT_AUTHORIZATION_CODE, _("For people who let it (authorization code with PKCE)")),
)
TYPES = (
    (Client.CLIENT_CONFIDENTIAL, _("Confidential: runs on a server and keeps a secret")),
    (Client.CLIENT_PUBLIC, _("Public: a browser, phone or desktop app")),
)


class Known(Exception):
    """The password was right. What follows is decided by `signing_in`, not by the view of Django."""

    def __init__(self, user: User) -> None:
        super().__init__(user.get_username())
        self.user = user


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Name and password. Somebody who has to wait is told so, and not whether the password was right."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        user = self.get_user()
        if isinstance(user, User):
            raise Known(user)
        return cleaned

    def get_invalid_login_error(self) -> ValidationError:
        locked = getattr(self.request, "lockout", None)
        if locked is not None:
            return ValidationError(str(locked), code="locked")
        error: ValidationError = super().get_invalid_login_error()
        return error


class PersonForm(_PersonForm):
    """Somebody, as programs write them: what only a superuser may give is not in it, nor is the password."""

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "is_active", "is_staff", "groups")


class GrantForm(_GrantForm):
    """A role for a part of the registry."""

    class Meta:
        model = RoleGrant
        fields = (*RoleGrant.WHO, "role", *RoleGrant.WHERE)


class ClientForm(_ClientForm):
    """An API client. Its secret is made by us and shown once, so there is no field for it."""

    authorization_grant_type = forms.ChoiceField(label=_("Acts"), choices=GRANTS, widget=UnfoldAdminSelectWidget)
    client_type = forms.ChoiceField(label=_("Kind"), choices=TYPES, widget=UnfoldAdminSelectWidget)
    scopes = forms.MultipleChoiceField(
        choices=[(name, name) for name in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=["read"],
    )

    class Meta:
        model = Client
        fields = ("name", "authorization_grant_type", "client_type", "redirect_uris", "scopes", "role", "is_active")

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if not name:
            raise forms.ValidationError(_("Give it a name: people read it when they are asked to let it in."))
        return name

    def clean_redirect_uris(self) -> str:
        return "\n".join(str(self.cleaned_data["redirect_uris"]).split())

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """A new client gets its secret here; `secret` is the only place where it can be read."""
        if self.instance._state.adding:
            self.secret = self.instance.client_secret = new_secret()
        return super().save(commit)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.secret = ""
        addresses = self.fields.get("redirect_uris")
        if addresses is not None:
            addresses.widget.attrs["rows"] = 3
            addresses.help_text = _("Where people are sent back to, one a line, exactly as the client says it.")
        if "scopes" in self.fields:
            said = [gettext("The most its tokens may do, and never more than their owner may.")]
            said += [f"{name}: {gettext(text)}." for name, text in SCOPES.items()]
            self.fields["scopes"].help_text = " ".join(said)
