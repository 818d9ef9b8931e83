"""Settings of how people sign in, besides name and password."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from config.settings.fields import Issuer, RoleMap, RoleNames
from config.settings.group import Group


class SecondFactorSettings(Group):
    """Who needs a second factor"""

    model_config = SettingsConfigDict(env_prefix="DC_SECOND_FACTOR_")

    roles: RoleNames = Field(
        [], description="Roles that sign in with an authenticator app as well: viewer, ..., superuser, everybody."
    )


class OpenIDSettings(Group):
    """Signing in at an OpenID provider"""

    model_config = SettingsConfigDict(env_prefix="DC_OIDC_")

    issuer: Issuer | None = Field(None, description="Address of the provider. Not set: people sign in here.")
    client_id: str = Field("", description="What the provider calls this platform.")
    client_secret: SecretStr | None = Field(None, description="Its secret there.")
    label: str = Field("single sign-on", description="What the button on the login page calls the provider.")
    scopes: str = Field("openid profile email", description="What is asked for, separated by spaces.")
    name_claim: str = Field("preferred_username", description="The claim that holds the user name.")
    roles_claim: str = Field("groups", description="The claim that holds the person's groups there.")
    roles: RoleMap = Field({}, description="Group there=role here, separated by commas. Empty: roles are given here.")
    create_users: bool = Field(default=False, description="People whom nobody added here are made when they come.")
    link_users: bool = Field(default=False, description="A name there is the same person as that name here.")
