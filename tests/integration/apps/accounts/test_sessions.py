"""How long a session lasts, and what ends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as live
from django.contrib.sessions.models import Session
from django.test import Client

from apps.accounts import middleware
from apps.accounts.bearer import authenticate
from apps.accounts.models import AuditEntry, User
from apps.core.clock import utc_now
from tests.integration.people import make_client, make_person, messages_of, signed_in, token_of

pytestmark = pytest.mark.django_db(databases="__all__")


def is_in(browser: Client, page: str = "/admin/accounts/user/") -> bool:
    return browser.get(page).status_code == 200


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the clock of the middleware, and ends the rows that have ended by then."""

    def move(**span: float) -> None:
        moment = utc_now() + timedelta(**span)
        monkeypatch.setattr(middleware, "utc_now", lambda: moment)
        Session.objects.filter(expire_date__lte=moment).delete()

    return move


def test_a_session_ends_when_nobody_opens_a_page(later: Any) -> None:
    browser = signed_in("admin")
    assert is_in(browser)

    later(minutes=live.DC_SESSION_IDLE_MIN - 1)
    assert is_in(browser)
    later(minutes=2 * live.DC_SESSION_IDLE_MIN - 2)
    assert is_in(browser)
    later(minutes=3 * live.DC_SESSION_IDLE_MIN)
    assert not is_in(browser)


def test_a_page_that_is_left_open_keeps_no_session_alive(later: Any) -> None:
    browser = signed_in("admin")
    browser.get("/admin/")

    for minutes in range(10, live.DC_SESSION_IDLE_MIN + 1, 10):
        later(minutes=minutes + 1)
        browser.get("/admin/live/")

    assert not is_in(browser)


def test_a_session_ends_in_any_case_some_hours_after_signing_in(later: Any) -> None:
    browser = signed_in("admin")
    hours = live.SESSION_COOKIE_AGE // 3600
    for half in range(2 * hours - 1):
        later(minutes=30 * half + 1)
        assert is_in(browser), half

    later(hours=hours, minutes=1)
    assert not is_in(browser)


def change_password(person: User) -> None:
    person.set_password("quite-another-password")
    person.save()


def disable(person: User) -> None:
    person.is_active = False
    person.save()


@pytest.mark.parametrize("end", [change_password, disable, User.delete])
def test_browsers_are_signed_out_when_the_person_changes(end: Any) -> None:
    browsers = [signed_in("admin"), signed_in("admin")]
    assert all(map(is_in, browsers))

    end(User.objects.get(username="admin"))

    assert not any(map(is_in, browsers))


def test_a_better_hash_of_the_same_password_signs_nobody_out(settings: Any) -> None:
    person = make_person("admin")
    person.set_password("correct-horse-battery")
    person.save()
    person = User.objects.get()
    before = person.sessions_ended_at
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]

    assert person.check_password("correct-horse-battery")

    person.refresh_from_db()
    assert person.password.startswith("pbkdf2_")
    assert person.sessions_ended_at == before


def test_an_administrator_logs_somebody_out_everywhere() -> None:
    victim, boss = signed_in("viewer"), signed_in("admin")
    person = User.objects.get(username="viewer")
    assert is_in(victim, "/admin/registry/app/")

    response = boss.post(f"/admin/accounts/user/{person.pk}/end-sessions/", follow=True)

    assert messages_of(response) == ["viewer is logged out everywhere."]
    assert not is_in(victim, "/admin/registry/app/")
    assert AuditEntry.objects.get(action="user.sessions_ended").actor_name == "admin"
    assert victim.post(f"/admin/accounts/user/{person.pk}/end-sessions/").status_code == 302  # to the login page


def test_who_logs_themselves_out_everywhere_stays_here() -> None:
    here, there = signed_in("admin"), signed_in("admin")
    person = User.objects.get(username="admin")

    response = here.post(f"/admin/accounts/user/{person.pk}/end-sessions/", follow=True)

    assert messages_of(response) == ["admin is logged out everywhere else."]
    assert is_in(here)
    assert not is_in(there)


def test_nobody_logs_others_out_who_may_not_change_them() -> None:
    boss = make_person("superuser")
    assert signed_in("viewer").post(f"/admin/accounts/user/{boss.pk}/end-sessions/").status_code == 403
    assert signed_in("admin").post(f"/admin/accounts/user/{boss.pk}/end-sessions/").status_code == 403


def test_the_password_of_a_person_is_nothing_to_a_client_of_its_own() -> None:
    client, secret = make_client()
    token = token_of(client, secret)
    change_password(make_person("admin"))

    assert authenticate(token) is not None


@pytest.mark.parametrize("password", ["short-one", "password1234", "administrator"])
def test_a_weak_password_is_refused(password: str) -> None:
    form = {"username": "administrator", "password1": password, "password2": password, "usable_password": "true"}

    response = signed_in("admin").post("/admin/accounts/user/add/", form)

    assert response.status_code == 200
    assert "This password is too" in response.content.decode() or "too similar" in response.content.decode()
    assert not User.objects.filter(username="administrator").exists()


def test_cookies_of_a_session_are_out_of_reach_of_scripts_and_other_sites() -> None:
    person = make_person("admin")
    person.set_password("correct-horse-battery")
    person.save()

    response = Client().post("/admin/login/", {"username": "admin", "password": "correct-horse-battery"})

    cookie = response.cookies[live.SESSION_COOKIE_NAME]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
