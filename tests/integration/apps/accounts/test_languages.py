"""In which language a person is answered, and what stays English."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from apps.accounts.models import AuditEntry, User
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

LOGIN = "/admin/login/"


def language_of_the_login(**headers: str) -> str:
    page = Client().get(LOGIN, headers=headers)
    language = page.text.split('<html lang="')[1].split('"')[0]
    assert page["Content-Language"] == language
    return language


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("hr,de;q=0.8", "de"),
        ("hr", "en"),
        ("*", "en"),
        (";;;q=,,", "en"),
    ],
)
def test_a_stranger_is_answered_as_the_browser_asks(asked: str, answered: str) -> None:
    assert language_of_the_login(**{"Accept-Language": asked}) == answered


def test_whose_browser_asks_for_none_of_ours_gets_the_one_of_the_settings(settings: Any) -> None:
    settings.DC_LANGUAGE = "de"
    assert language_of_the_login(**{"Accept-Language": "hr"}) == "de"
    assert language_of_the_login(**{"Accept-Language": "en"}) == "en"


def test_a_choice_is_remembered_with_the_person_and_wins_over_the_browser() -> None:
    browser = signed_in("viewer")
    chosen = browser.post("/language/", {"language": "de"}, headers={"Referer": "http://testserver/admin/tables/"})
    assert (chosen.status_code, chosen["Location"]) == (302, "http://testserver/admin/tables/")

    page = browser.get("/admin/tables/", headers={"Accept-Language": "en"})

    assert '<html lang="de"' in page.text
    person = User.objects.get(username="viewer")
    assert person.language == "de"
    entry = AuditEntry.objects.get(action="user.changed")
    assert (entry.actor, entry.before, entry.after) == (person, {"language": ""}, {"language": "de"})

    browser.post("/language/", {"language": ""})
    assert '<html lang="en"' in browser.get("/admin/tables/", headers={"Accept-Language": "en"}).text


def test_the_switch_sends_nobody_to_another_site_and_knows_its_languages() -> None:
    browser = signed_in("viewer")
    for referer in ("https://elsewhere.example/", "//elsewhere.example", ""):
        answer = browser.post("/language/", {"language": "en"}, headers={"Referer": referer})
        assert answer["Location"] == "/admin/"
    assert browser.post("/language/", {"language": "tlh"}).status_code == 400
    assert browser.get("/language/", {"language": "de"}).status_code == 405
    assert User.objects.get(username="viewer").language == "en"


def test_programs_are_answered_in_english() -> None:
    german = {"Accept-Language": "de"}
    assert Client().get("/api/v1/apps", headers=german)["Content-Language"] == "en"
    assert Client().post("/oauth/token/", headers=german)["Content-Language"] == "en"


def test_what_is_said_to_one_person_ends_with_their_answer() -> None:
    Client().get(LOGIN, headers={"Accept-Language": "de"})
    assert translation.get_language() == "en"
