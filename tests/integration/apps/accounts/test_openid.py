"""Signing in at an OpenID provider, with a real one, and with one that lies."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import Client
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from apps.accounts import openid
from apps.accounts.models import AuditEntry, Identity, User
from config.settings.sign_in import OpenIDSettings
from tests.integration.people import make_person
from tests.servers.openid import CLIENT_ID, CLIENT_SECRET, Provider, openid_provider, query_of

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    with openid_provider() as provider:
        settings.DC_OIDC = OpenIDSettings(
            issuer=provider.issuer,
            client_id=CLIENT_ID,
            client_secret=SecretStr(CLIENT_SECRET),
            create_users=True,
            roles={"data-ops": "operator", "data-admins": "admin"},
        )
        yield provider


def go(browser: Client, **changes: str) -> Any:
    """To the provider and back; `changes` to what comes back."""
    leaving = browser.get("/login/openid/?next=/admin/tables/")
    assert leaving.status_code == 302, leaving.content
    back = httpx.get(leaving["Location"]).headers["Location"]
    return browser.get("/login/openid/back/", {**query_of(back), **changes})


def test_somebody_the_provider_vouches_for_is_in_with_the_roles_it_says(provider: Provider) -> None:
    browser = Client()
    page = browser.get("/admin/login/?next=/admin/tables/").content.decode()
    assert "Sign in with single sign-on" in page
    answer = go(browser)

    ada = User.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, "/admin/tables/")
    assert browser.get("/admin/").status_code == 200
    assert (ada.username, ada.has_usable_password(), ada.is_superuser) == ("ada", False, False)
    assert [group.name for group in ada.groups.all()] == ["operator"]
    assert provider.asked[0]["code_challenge_method"] == "S256"
    assert {"state", "nonce"} <= provider.asked[0].keys()
    assert AuditEntry.objects.get(action="login.succeeded").details == {"how": "OpenID provider"}

    provider.claims |= {"preferred_username": "countess", "groups": ["data-admins"]}
    go(Client())
    ada.refresh_from_db()
    assert (ada.username, [group.name for group in ada.groups.all()]) == ("ada", ["admin"])
    assert AuditEntry.objects.filter(action="user.roles_changed").first().after == {"roles": ["admin"]}  # type: ignore[union-attr]


def made_up(provider: Provider, algorithm: str) -> str:
    """A token that nobody's key has signed."""
    claims = {"iss": provider.issuer, "aud": CLIENT_ID, "exp": time.time() + 99, "iat": time.time(), "sub": "1"}
    parts = ({"alg": algorithm}, {**claims, **provider.claims})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "of another login"},
        {"aud": "another-client"},
        {"iss": "https://evil.example.com"},
        {"exp": 1},
        {"sub": ""},
        {"key": "foreign"},
        {"alg": "none"},
        {"alg": "HS256"},
    ],
    ids=str,
)
def test_what_the_provider_says_must_hold(
    provider: Provider, lies: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "key" in lies:
        provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    elif "alg" in lies:
        monkeypatch.setattr(provider, "id_token", lambda _nonce: made_up(provider, lies["alg"]))
    else:
        provider.lies = lies
    browser = Client()

    answer = go(browser)

    assert answer.status_code == 403
    assert "_auth_user_id" not in browser.session
    assert not User.objects.exists()
    assert AuditEntry.objects.get(action="login.failed").subject == "somebody unknown"


def test_what_comes_back_belongs_to_the_browser_that_left(provider: Provider) -> None:
    assert go(Client(), state="made-up").status_code == 403
    assert go(Client(), code="made-up").status_code == 403
    assert go(Client(), iss="https://evil.example.com").status_code == 403
    left = Client().get("/login/openid/")
    back = query_of(httpx.get(left["Location"]).headers["Location"])
    assert Client().get("/login/openid/back/", back).status_code == 403
    assert not User.objects.exists()


@pytest.mark.parametrize("wanted", ["https://evil.example.com/", "//evil.example.com", "javascript:alert(1)"])
def test_nobody_is_led_to_another_site(provider: Provider, wanted: str) -> None:
    browser = Client()
    leaving = browser.get("/login/openid/", {"next": wanted})
    back = httpx.get(leaving["Location"]).headers["Location"]
    assert browser.get("/login/openid/back/", query_of(back))["Location"] == "/admin/"


def test_who_is_let_in_is_decided_here(provider: Provider, settings: Any) -> None:
    def refused() -> str:
        answer = go(Client())
        assert answer.status_code == 403
        return str(answer.content.decode())

    provider.claims["groups"] = ["others"]
    assert "None of your groups" in refused()
    provider.claims["groups"] = ["data-ops"]
    settings.DC_OIDC = settings.DC_OIDC.model_copy(update={"create_users": False})
    assert "You have no account here" in refused()
    there = make_person("viewer", name="ada")
    assert "There is an account of your name" in refused()
    settings.DC_OIDC = settings.DC_OIDC.model_copy(update={"link_users": True})
    assert go(Client()).status_code == 302
    assert Identity.objects.get().user == there
    there.is_active = False
    there.save()
    assert "switched off" in refused()
    Identity.objects.all().delete()
    User.objects.filter(pk=there.pk).update(is_active=True, is_superuser=True)
    assert "There is an account of your name" in refused()


def test_without_a_provider_there_is_nothing(client: Client) -> None:
    assert client.get("/login/openid/").status_code == client.get("/login/openid/back/").status_code == 404
    assert openid.label() == ""


def test_a_provider_that_is_away_says_so(provider: Provider, settings: Any) -> None:
    settings.DC_OIDC = settings.DC_OIDC.model_copy(update={"issuer": "http://127.0.0.1:9/realms/data"})
    assert Client().get("/login/openid/").status_code == 502
    settings.DC_OIDC = settings.DC_OIDC.model_copy(update={"issuer": provider.issuer + "/"})
    assert Client().get("/login/openid/").status_code == 502
