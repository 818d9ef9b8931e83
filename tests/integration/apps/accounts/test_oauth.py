"""OAuth2 as a client meets it, and as a thief does."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser
from oauth2_provider.models import get_access_token_model, get_refresh_token_model

from apps.accounts import oauth_views
from apps.accounts.bearer import authenticate
from apps.accounts.models import AuditEntry, Client, Lockout, User
from apps.accounts.signing_in import end_sessions
from apps.accounts.upkeep import forget_what_is_over
from apps.core.clock import utc_now
from tests.integration.people import make_client, make_person, program, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

BACK = "https://app.example.com/cb"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def app() -> Client:
    values = {"client_type": "public", "authorization_grant_type": "authorization-code", "redirect_uris": BACK}
    return make_client("phone", scopes=["read", "run"], **values)[0]


def question(app: Client, **changes: Any) -> dict[str, Any]:
    asked = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": BACK,
        "scope": "read run",
        "state": "xyz",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in asked.items() if value is not None}


def answer(app: Client, role: str = "operator", *, allow: bool = True, **changes: Any) -> dict[str, str]:
    """What the person's browser brings back to the client."""
    browser, asked = signed_in(role), question(app, **changes)
    page = browser.get("/oauth/authorize/", asked)
    assert page.status_code == 200, page.content
    pressed = {**asked, **({"allow": "Authorize"} if allow else {})}
    response = browser.post("/oauth/authorize/", pressed)
    assert response.status_code == 302, response.content
    assert response["Location"].startswith(BACK + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}


def redeem(app: Client, code: str, **changes: Any) -> Any:
    sent = {
        "grant_type": "authorization_code",
        "client_id": app.client_id,
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    return program().post("/oauth/token/", {name: value for name, value in sent.items() if value is not None})


def renew(app: Client, token: str, **changes: Any) -> Any:
    sent = {"grant_type": "refresh_token", "client_id": app.client_id, "refresh_token": token, **changes}
    return program().post("/oauth/token/", sent)


@pytest.fixture
def tokens(app: Client) -> dict[str, Any]:
    response = redeem(app, answer(app)["code"])
    assert response.status_code == 200, response.content
    return dict(response.json())


def test_a_client_acts_for_a_person_who_let_it(app: Client) -> None:
    brought = answer(app)
    assert brought["state"] == "xyz"
    assert brought["iss"].startswith("http")

    given = redeem(app, brought["code"]).json()

    principal = authenticate(given["access_token"])
    assert principal is not None
    assert principal.user == User.objects.get(username="operator")
    assert principal.client == app
    assert principal.scopes == frozenset({"read", "run"})
    assert given["expires_in"] == 600
    assert principal.may("runtime.add_command")
    assert not principal.may("registry.add_appgroup")
    entry = AuditEntry.objects.get(action="client.authorized")
    assert (entry.subject, entry.actor_name, entry.details) == ("phone", "operator", {"scope": "read run"})


def test_the_page_says_who_asks_for_what_and_asks_every_time(app: Client, tokens: dict[str, Any]) -> None:
    browser = signed_in("operator")

    page = browser.get("/oauth/authorize/", {**question(app), "approval_prompt": "auto"})

    assert page.status_code == 200
    text = page.content.decode()
    assert "Let phone in?" in text
    assert "Start and stop runs" in text
    assert "in the name of operator" in text
    assert "form-action 'self' https://app.example.com" in page["Content-Security-Policy"]


def test_a_person_may_refuse(app: Client) -> None:
    assert answer(app, allow=False)["error"] == "access_denied"
    assert AuditEntry.objects.get(action="client.denied").subject == "phone"


def test_nobody_is_asked_who_is_not_signed_in(app: Client) -> None:
    response = Browser().get("/oauth/authorize/", question(app))

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/?next=")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "read everything"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
    ],
)
def test_what_is_not_offered_is_sent_back_as_an_error(app: Client, changes: dict[str, Any], error: str) -> None:
    response = signed_in("operator").get("/oauth/authorize/", question(app, **changes))

    assert response.status_code == 302
    assert parse_qs(urlsplit(response["Location"]).query.replace("#", ""))["error"] == [error]


def test_a_plain_challenge_is_no_challenge(app: Client) -> None:
    asked = question(app, code_challenge=VERIFIER, code_challenge_method="plain")

    response = signed_in("operator").post("/oauth/authorize/", {**asked, "allow": "Authorize"})

    assert "error=invalid_request" in response["Location"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/cb/",
        "https://app.example.com/cb?x=1",
        "https://app.example.com/cb#",
        "https://app.example.com/cbx",
        "https://app.example.com/../cb",
        "https://app.example.com.evil.example/cb",
        "https://evil@app.example.com/cb",
        "https://app.example.com:444/cb",
        "http://app.example.com/cb",
        "https://evil.example/cb",
        "javascript:alert(1)",
    ],
)
def test_nobody_is_sent_anywhere_but_to_the_registered_address(app: Client, uri: str) -> None:
    response = signed_in("operator").get("/oauth/authorize/", question(app, redirect_uri=uri))

    assert response.status_code == 400
    assert "Location" not in response
    assert "This request cannot be granted" in response.content.decode()


def test_a_code_is_worth_nothing_without_its_verifier(app: Client) -> None:
    for wrong in (None, "w" * 64):
        assert redeem(app, answer(app)["code"], code_verifier=wrong).status_code == 400


def test_a_code_that_comes_twice_ends_what_was_given_for_it(app: Client) -> None:
    code = answer(app)["code"]
    first = redeem(app, code).json()
    assert authenticate(first["access_token"]) is not None

    assert redeem(app, code).json()["error"] == "invalid_grant"

    assert authenticate(first["access_token"]) is None
    assert renew(app, first["refresh_token"]).status_code == 400


def test_a_code_that_comes_twice_from_another_client_ends_nothing(app: Client) -> None:
    code = answer(app)["code"]
    first = redeem(app, code).json()
    values = {"client_type": "public", "authorization_grant_type": "authorization-code", "redirect_uris": BACK}
    stranger, _ = make_client("stranger", **values)

    assert redeem(stranger, code).status_code == 400

    assert authenticate(first["access_token"]) is not None


def test_a_refresh_token_is_good_once_and_brings_another(app: Client, tokens: dict[str, Any]) -> None:
    second = renew(app, tokens["refresh_token"]).json()

    assert second["refresh_token"] != tokens["refresh_token"]
    assert authenticate(tokens["access_token"]) is None
    assert authenticate(second["access_token"]) is not None


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_a_refresh_token_that_comes_twice_ends_its_family(app: Client, tokens: dict[str, Any], generation: int) -> None:
    chain = [tokens]
    for _ in range(3):
        chain.append(renew(app, chain[-1]["refresh_token"]).json())
    assert authenticate(chain[-1]["access_token"]) is not None

    assert renew(app, chain[generation]["refresh_token"]).json()["error"] == "invalid_grant"

    assert authenticate(chain[-1]["access_token"]) is None
    assert renew(app, chain[-1]["refresh_token"]).status_code == 400


def test_another_persons_family_lives_on(app: Client, tokens: dict[str, Any]) -> None:
    other = redeem(app, answer(app, "viewer")["code"]).json()
    renew(app, tokens["refresh_token"])
    renew(app, tokens["refresh_token"])

    assert authenticate(other["access_token"]) is not None


def test_a_family_is_not_renewed_for_ever(app: Client, tokens: dict[str, Any], settings: Any) -> None:
    model = get_refresh_token_model()
    model.objects.update(created=utc_now() - timedelta(seconds=settings.DC_REFRESH_FAMILY_SECONDS, hours=-1))
    second = renew(app, tokens["refresh_token"]).json()
    first = model.objects.order_by("created").first()
    model.objects.filter(pk=first.pk).update(created=first.created - timedelta(hours=2))

    assert renew(app, second["refresh_token"]).json()["error"] == "invalid_grant"
    assert authenticate(second["access_token"]) is None


def test_a_refresh_token_belongs_to_its_client(app: Client, tokens: dict[str, Any]) -> None:
    stranger, secret = make_client("stranger")

    refused = renew(stranger, tokens["refresh_token"], client_secret=secret)

    assert refused.status_code in (400, 401)


def change_password(person: User) -> None:
    person.set_password("quite-another-password")
    person.save()


def disable(person: User) -> None:
    person.is_active = False
    person.save()


@pytest.mark.parametrize(
    "end",
    [
        change_password,
        disable,
        pytest.param(lambda person: end_sessions(user=person, actor=None, now=utc_now()), id="logged out everywhere"),
        pytest.param(lambda person: User.objects.filter(pk=person.pk).update(is_active=False), id="by a statement"),
    ],
)
def test_the_tokens_of_a_person_end_with_what_let_them_in(app: Client, tokens: dict[str, Any], end: Any) -> None:
    waiting = answer(app)["code"]

    end(User.objects.get(username="operator"))

    assert authenticate(tokens["access_token"]) is None
    assert renew(app, tokens["refresh_token"]).status_code == 400
    assert redeem(app, waiting).status_code == 400


def test_a_client_revokes_what_it_has(app: Client, tokens: dict[str, Any]) -> None:
    gone = program().post("/oauth/revoke/", {"client_id": app.client_id, "token": tokens["refresh_token"]})

    assert gone.status_code == 200
    assert authenticate(tokens["access_token"]) is None
    assert renew(app, tokens["refresh_token"]).status_code == 400


@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "x"])
def test_grants_of_old_are_not_offered(grant_type: str) -> None:
    make_person("admin")
    client, secret = make_client()
    sent = {"grant_type": grant_type, "username": "admin", "password": "x", "scope": "read"}

    response = program().post("/oauth/token/", {**sent, "client_id": client.client_id, "client_secret": secret})

    assert response.status_code == 400
    assert response.json() == {"error": "unsupported_grant_type"}
    assert not Lockout.objects.exists()  # no password was looked at


def test_a_client_for_itself_gets_no_refresh_token_no_person_and_only_its_scopes() -> None:
    client, secret = make_client(scopes=["read"])
    ask = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": secret}

    given = program().post("/oauth/token/", {**ask, "scope": "read"}).json()

    assert "refresh_token" not in given
    assert get_access_token_model().objects.get().user is None
    for scope in ("run", "read admin", ""):
        assert program().post("/oauth/token/", {**ask, "scope": scope}).json()["error"] == "invalid_scope"


def test_a_client_that_acts_for_people_does_not_act_for_itself(app: Client) -> None:
    ask = {"grant_type": "client_credentials", "client_id": app.client_id, "client_secret": "", "scope": "read"}

    assert program().post("/oauth/token/", ask).status_code in (400, 401)


def test_a_wrong_secret_is_in_the_audit_without_the_secret() -> None:
    client, _ = make_client()
    ask = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": "guess-guess"}

    assert Browser(REMOTE_ADDR="192.0.2.9").post("/oauth/token/", ask).status_code == 401

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.client_name, entry.address) == (
        "token.refused",
        "robot",
        "robot",
        "192.0.2.9",
    )
    assert "guess" not in str(list(AuditEntry.objects.values()))


def test_who_asks_too_often_waits_and_a_made_up_header_does_not_help(
    valkey_socket: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 60 * 10**7
    monkeypatch.setattr("apps.accounts.throttle.time.time", lambda: moment)
    monkeypatch.setattr(oauth_views, "TOKENS_A_MINUTE", 3)

    def ask(number: int, address: str = "192.0.2.77") -> int:
        browser = Browser(REMOTE_ADDR=address, headers={"x-forwarded-for": f"203.0.113.{number}"})
        return int(browser.post("/oauth/token/", {"grant_type": "y"}).status_code)

    assert [ask(number) for number in range(5)] == [400, 400, 400, 429, 429]
    assert ask(6, "192.0.2.78") == 400
    moment += 60
    assert ask(7) == 400


def test_no_token_is_taken_from_an_address(tokens: dict[str, Any]) -> None:
    response = Browser().get("/admin/registry/app/", {"access_token": tokens["access_token"]})

    assert response.status_code == 302


@pytest.mark.parametrize("name", ["applications/", "applications/register/", "introspect/", "register/", "device/"])
def test_nothing_else_of_the_library_is_reachable(name: str) -> None:
    assert signed_in("admin").get(f"/oauth/{name}").status_code == 404


def test_what_is_over_goes_once_a_day_and_what_lives_stays(app: Client, tokens: dict[str, Any]) -> None:
    other, secret = make_client()
    ask = {"grant_type": "client_credentials", "client_id": other.client_id, "client_secret": secret, "scope": "read"}
    program().post("/oauth/token/", ask)
    model = get_access_token_model()
    model.objects.filter(application=other).update(expires=utc_now() - timedelta(minutes=1))

    forget_what_is_over(now=utc_now())

    assert not model.objects.filter(application=other).exists()
    assert authenticate(tokens["access_token"]) is not None
