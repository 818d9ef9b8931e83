"""People who are signed in, by role."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import seed_roles


def make_person(role: str = "", *, name: str = "") -> User:
    """Somebody with a role: one of `apps.accounts.roles`, "superuser", or none."""
    seed_roles()
    person = User.objects.create_user(name or role or "nobody", is_staff=True, is_superuser=role == "superuser")
    if role and role != "superuser":
        person.groups.add(Group.objects.get(name=role))
    return person


def signed_in(role: str = "superuser") -> Client:
    """A browser in which somebody with this role has signed in."""
    client = Client()
    client.force_login(User.objects.filter(username=role).first() or make_person(role))
    return client


def messages_of(response: object) -> list[str]:
    """What the page told the person after an action; the request must have followed its redirect."""
    return [str(message) for message in response.context["messages"]]  # type: ignore[attr-defined]
