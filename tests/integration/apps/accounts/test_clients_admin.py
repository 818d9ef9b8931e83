from __future__ import annotations

import re

import pytest
from django.contrib.auth.hashers import check_password
from oauth2_provider.models import get_access_token_model

from apps.accounts.bearer import authenticate
from apps.accounts.models import AuditEntry, Client, RoleGrant
from tests.integration.factories import make_app
from tests.integration.people import make_client, make_person, messages_of, signed_in, token_of

pytestmark = pytest.mark.django_db

FORM = {
    "name": "warehouse",
    "is_active": "on",
    "authorization_grant_type": "client-credentials",
    "client_type": "confidential",
    "redirect_uris": "",
    "scopes": ["read", "run"],
    "role": "viewer",
}


def add(**values: object) -> object:
    return signed_in("admin").post("/admin/accounts/client/add/", {**FORM, **values})


def shown_secret(html: str) -> str:
    found = re.search(r'Client secret <input[^>]* value="([^"]+)"', html)
    assert found is not None
    return found[1]


def test_the_secret_of_a_new_client_is_shown_once_and_only_its_hash_is_kept() -> None:
    response = add()
    secret = shown_secret(response.content.decode())  # type: ignore[attr-defined]
    client = Client.objects.get()

    assert "no-store" in response["Cache-Control"]  # type: ignore[index]
    assert client.client_secret.startswith("md5$")  # the quick hasher of the tests; Argon2 elsewhere
    assert check_password(secret, client.client_secret)
    assert authenticate(token_of(client, secret, "read run")) is not None
    page = signed_in("admin").get(f"/admin/accounts/client/{client.pk}/change/").content.decode()
    assert secret not in page
    assert client.client_secret not in page
    entry = AuditEntry.objects.get(action="client.added")
    assert entry.after["name"] == "warehouse"
    assert secret not in str(entry.after)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"client_type": "public"}, "must be able to keep a secret"),
        ({"scopes": []}, "This field is required"),
        ({"scopes": ["everything"]}, "not one of the available choices"),
        ({"authorization_grant_type": "password"}, "not one of the available choices"),
        ({"authorization_grant_type": "authorization-code"}, "Name the address that people are sent back to"),
        *(
            ({"authorization_grant_type": "authorization-code", "redirect_uris": uri}, words)
            for uri, words in [
                ("http://app.example.com/cb", "must begin with https://"),
                ("https://*.example.com/cb", "holds #, @ or *"),
                ("https://app.example.com/cb#x", "holds #, @ or *"),
                ("https://app@evil.example/cb", "holds #, @ or *"),
                ("javascript:alert(1)", "is not an address"),
                ("/cb", "is not an address"),
            ]
        ),
    ],
)
def test_a_client_that_would_not_be_safe_is_refused_in_a_sentence(values: dict[str, object], words: str) -> None:
    response = add(**values)

    assert response.status_code == 200  # type: ignore[attr-defined]
    assert words in response.content.decode()  # type: ignore[attr-defined]
    assert not Client.objects.exists()


def test_plain_http_is_for_this_machine_alone_and_not_in_production(settings: object) -> None:
    code = {"authorization_grant_type": "authorization-code", "redirect_uris": "http://localhost:9000/cb"}
    settings.DC_HTTP_REDIRECTS = False  # type: ignore[attr-defined]
    assert "must begin with https://" in add(**code).content.decode()  # type: ignore[attr-defined]

    settings.DC_HTTP_REDIRECTS = True  # type: ignore[attr-defined]
    add(**code)
    assert Client.objects.get().redirect_uris == "http://localhost:9000/cb"


def test_a_new_secret_ends_the_old_one_and_its_tokens() -> None:
    client, old = make_client()
    token = token_of(client, old)

    response = signed_in("admin").post(f"/admin/accounts/client/{client.pk}/new-secret/")

    new = shown_secret(response.content.decode())
    assert authenticate(token) is None
    assert authenticate(token_of(client, new)) is not None
    with pytest.raises(AssertionError, match="invalid_client"):
        token_of(client, old)


def test_all_tokens_of_a_client_can_be_ended() -> None:
    client, secret = make_client()
    token = token_of(client, secret)

    response = signed_in("admin").post(f"/admin/accounts/client/{client.pk}/end-tokens/", follow=True)

    assert messages_of(response) == ["No token of robot works any more."]
    assert authenticate(token) is None


def test_one_token_can_be_revoked_from_the_list() -> None:
    client, secret = make_client()
    first, second = token_of(client, secret), token_of(client, secret)
    row = get_access_token_model().objects.order_by("pk").first()
    chosen = {"action": "revoke_tokens", "_selected_action": [row.pk]}

    response = signed_in("admin").post("/admin/oauth2_provider/accesstoken/", chosen, follow=True)

    assert messages_of(response) == ["1 revoked; they let nobody in any more."]
    assert authenticate(first) is None
    assert authenticate(second) is not None


@pytest.mark.parametrize("role", ["viewer", "operator", "developer"])
def test_clients_and_grants_are_the_business_of_administrators(role: str) -> None:
    client, _ = make_client()
    browser = signed_in(role)

    for address in ("accounts/client/", "accounts/rolegrant/", "oauth2_provider/accesstoken/", "accounts/auditentry/"):
        assert browser.get(f"/admin/{address}").status_code == 403
    assert browser.post(f"/admin/accounts/client/{client.pk}/new-secret/").status_code == 403
    assert browser.post(f"/admin/accounts/client/{client.pk}/end-tokens/").status_code == 403


def test_a_grant_is_made_in_the_admin_and_refused_in_a_sentence() -> None:
    person, app = make_person(), make_app()
    browser = signed_in("admin")

    both = browser.post(
        "/admin/accounts/rolegrant/add/",
        {"user": person.pk, "role": "operator", "app": app.pk, "app_group": app.parent.group.pk},
    )
    assert "Choose one of app group, app parent and app." in both.content.decode()

    form = {"user": person.pk, "role": "operator", "app": app.pk}
    browser.post("/admin/accounts/rolegrant/add/", form)
    assert RoleGrant.objects.get().user == person
    again = browser.post("/admin/accounts/rolegrant/add/", form)
    assert "There is such a grant already." in again.content.decode()
    assert AuditEntry.objects.get(action="rolegrant.added").after["role"] == "operator"
