"""The pages of credentials: values go in and never come out."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.core.encryption.keys import Key
from apps.credentials.models import Credential
from apps.registry.models import App
from tests.integration.factories import make_app
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

PAGE = "/admin/credentials/credential/"
CANARY = "canary of a form"


def fields(app: App, **values: Any) -> dict[str, Any]:
    return {"app": app.pk, "name": "token", "new_value": CANARY, "description": "", **values}


def add(client: Client, **values: Any) -> Any:
    return client.post(f"{PAGE}add/", fields(make_app(), **values))


def test_a_value_goes_in_and_never_comes_out() -> None:
    client = signed_in("admin")
    assert add(client).status_code == 302
    credential = Credential.objects.get()
    assert credential.value == CANARY
    for address in (PAGE, *(f"{PAGE}{credential.pk}/{page}/" for page in ("change", "history", "delete"))):
        page = client.get(address)
        assert page.status_code == 200
        assert CANARY not in page.text
    assert "encrypted" in client.get(PAGE).text


def test_an_empty_field_keeps_the_value_and_a_new_one_replaces_it() -> None:
    client = signed_in("admin")
    add(client)
    credential = Credential.objects.get()
    page = f"{PAGE}{credential.pk}/change/"
    assert client.post(page, {"new_value": "", "description": "of the shop"}).status_code == 302
    kept = Credential.objects.get()
    assert (kept.value, kept.description, kept.changed_at) == (CANARY, "of the shop", credential.changed_at)
    key = "-----BEGIN\r\nabc def\r\n-----END\r\n"
    assert client.post(page, {"new_value": key, "description": ""}).status_code == 302
    changed = Credential.objects.get()
    assert changed.value == key.replace("\r\n", "\n")
    assert changed.changed_at != credential.changed_at


def test_app_and_name_stay_what_they_are() -> None:
    client = signed_in("admin")
    add(client)
    other = make_app("trial.odd.slow")
    page = f"{PAGE}{Credential.objects.get().pk}/change/"
    client.post(page, fields(other, name="another", new_value=""))
    credential = Credential.objects.select_related("app").get()
    assert (credential.app.code, credential.name, credential.value) == ("examples.shop.books", "token", CANARY)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"new_value": ""}, "Type the value."),
        ({"new_value": "abc"}, "Use at least 4 characters"),
        ({"new_value": "nul \x00 canary"}, "Null characters are not allowed."),
        ({"new_value": "dc1:canary"}, "This is no value of a credential."),
        ({"name": "Not A Name"}, "Use small letters, digits and underscores"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_not_sent_back(values: dict[str, str], said: str) -> None:
    response = add(signed_in("admin"), **values)
    assert response.status_code == 200
    assert said in response.text
    assert "canary" not in response.text
    assert not Credential.objects.exists()


def test_the_same_name_twice_is_refused() -> None:
    client = signed_in("admin")
    add(client)
    assert "This app has a credential of that name already." in add(client).text


def test_without_its_key_a_page_opens_says_why_and_takes_a_new_value(settings: Any) -> None:
    client = signed_in("admin")
    add(client)
    settings.DC_SECRETS_KEYS = Key(b"2" * 32).as_text()
    page = f"{PAGE}{Credential.objects.get().pk}/change/"
    for address in (PAGE, page):
        assert "is not in DC_SECRETS_KEYS" in client.get(address).text
    assert client.post(page, {"new_value": "typed again", "description": ""}).status_code == 302
    assert Credential.objects.get().value == "typed again"


def test_without_any_key_a_sentence_is_shown_and_nothing_is_stored(settings: Any) -> None:
    settings.DC_SECRETS_KEYS = ""
    response = add(signed_in("admin"))
    assert "It cannot be stored. There is no key for secrets: set DC_SECRETS_KEYS" in response.text
    assert not Credential.objects.exists()


def test_operators_see_which_there_are_and_only_admins_touch_them() -> None:
    add(signed_in("admin"))
    page = f"{PAGE}{Credential.objects.get().pk}/change/"
    operator = signed_in("operator")
    seen = operator.get(page)
    assert seen.status_code == 200
    assert CANARY not in seen.text
    assert "new_value" not in seen.text
    assert operator.post(page, {"new_value": "x" * 9}).status_code == 403
    assert operator.get(f"{PAGE}add/").status_code == 403
    assert signed_in("viewer").get(PAGE).status_code == 403


def test_the_list_costs_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client, app = signed_in(), make_app()
    for number in range(30):
        Credential.objects.create(app=app, name=f"name_{number}", value="some value")
    client.get(PAGE)
    with django_assert_num_queries(5):  # session, user, apps of the filter, count, page
        assert "name_29" in client.get(PAGE).text
