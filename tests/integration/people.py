"""People who are signed in, by role."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.clients import new_secret
from apps.accounts.middleware import BEGAN, SEEN
from apps.accounts.models import Client as ApiClient
from apps.accounts.models import RoleGrant, User
from apps.accounts.roles import seed_roles
from apps.core.clock import utc_now
from apps.registry.models import App


def make_person(role: str = "", *, name: str = "") -> User:
    """Somebody with a role: one of `apps.accounts.roles`, "superuser", or none."""
    seed_roles()
    person = User.objects.create_user(name or role or "nobody", is_staff=True, is_superuser=role == "superuser")
    if role and role != "superuser":
        person.groups.add(Group.objects.get(name=role))
    return person


def signed_in(role: str = "superuser") -> Client:
    """A browser in which somebody with this role has signed in, and has opened a page a moment ago."""
    client, now = Client(), utc_now()
    client.force_login(User.objects.filter(username=role).first() or make_person(role))
    session = client.session
    session.update({BEGAN: now.timestamp(), SEEN: now.timestamp()})
    session.set_expiry(now + timedelta(minutes=settings.DC_SESSION_IDLE_MIN))
    session.save()
    return client


def messages_of(response: object) -> list[str]:
    """What the page told the person after an action; the request must have followed its redirect."""
    return [str(message) for message in response.context["messages"]]  # type: ignore[attr-defined]


def grant(who: User | ApiClient | Group, role: str, where: App, *, whole: str = "app") -> RoleGrant:
    """Give somebody a role for an app; with `whole` of "parent" or "group", for all that it is a part of."""
    name = {User: "user", ApiClient: "client", Group: "people"}[type(who)]
    parts: dict[str, dict[str, Any]] = {
        "app": {"app": where},
        "parent": {"app_parent": where.parent},
        "group": {"app_group": where.parent.group},
    }
    return RoleGrant.objects.create(**{name: who}, role=role, **parts[whole])


def make_client(name: str = "robot", *, scopes: Iterable[str] = ("read",), **values: Any) -> tuple[ApiClient, str]:
    """A program that acts for itself, and its secret."""
    secret = new_secret()
    values = {"client_type": "confidential", "authorization_grant_type": "client-credentials", **values}
    return ApiClient.objects.create(name=name, scopes=list(scopes), client_secret=secret, **values), secret


_addresses = itertools.count(1)


def program() -> Client:
    """A program on a machine of its own, so that nobody's throttle is another one's."""
    number = next(_addresses)
    return Client(REMOTE_ADDR=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")


def token_of(client: ApiClient, secret: str, scope: str = "read") -> str:
    """An access token that the client asked for, as a client does."""
    asked = {"grant_type": "client_credentials", "scope": scope}
    response = program().post("/oauth/token/", {**asked, "client_id": client.client_id, "client_secret": secret})
    assert response.status_code == 200, response.content
    return str(response.json()["access_token"])
