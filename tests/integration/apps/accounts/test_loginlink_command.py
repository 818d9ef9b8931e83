"""manage.py loginlink."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import AuditEntry, LoginLink, User

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def public_url(settings: Settings) -> None:
    settings.DC_PUBLIC_URL = "http://collector.example:8000"


def loginlink(*words: Any, **options: Any) -> str:
    out = StringIO()
    call_command("loginlink", *words, stdout=out, **options)
    return out.getvalue().strip()


def test_it_prints_a_link_that_signs_the_administrator_in(client: Client) -> None:
    link = loginlink()
    assert link.startswith("http://collector.example:8000/login/")
    assert client.post(link.removeprefix("http://collector.example:8000")).status_code == 302
    assert User.objects.get().username == "admin"
    assert AuditEntry.objects.get(action="user.login_link_made").source == "SHELL"
    assert Group.objects.filter(name="viewer").exists()


def test_it_makes_a_link_for_somebody_else(client: Client) -> None:
    ana = User.objects.create_user("ana", is_staff=True)
    client.post(loginlink("ana").removeprefix("http://collector.example:8000"))
    assert client.session["_auth_user_id"] == str(ana.pk)
    assert not User.objects.filter(username="admin").exists()


def test_the_lifetime_can_be_chosen() -> None:
    loginlink(minutes=5)
    link = LoginLink.objects.get()
    assert (link.expires_at - link.created_at).total_seconds() == 300


@pytest.mark.parametrize("minutes", [0, -5, 10_081])
def test_an_absurd_lifetime_is_refused(minutes: int) -> None:
    with pytest.raises(CommandError, match="1 to 10080"):
        loginlink(minutes=minutes)


def test_an_unknown_name_is_one_sentence() -> None:
    with pytest.raises(CommandError, match='There is no user "zoe"'):
        loginlink("zoe")


def test_somebody_switched_off_gets_none() -> None:
    User.objects.create_user("ana", is_staff=True, is_active=False)
    with pytest.raises(CommandError, match="switched off"):
        loginlink("ana")


def test_without_an_address_it_says_what_to_set(settings: Settings) -> None:
    settings.DC_PUBLIC_URL = ""
    with pytest.raises(CommandError, match="DC_PUBLIC_URL is not set"):
        loginlink()
