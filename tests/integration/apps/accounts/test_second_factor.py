"""The second factor: nobody who needs one is in without it, and it is no door of its own."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pyotp
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from apps.accounts import second_factor
from apps.accounts.models import AuditEntry, SecondFactor, User
from apps.accounts.services import issue_login_link
from apps.core.clock import utc_now
from tests.integration.people import make_client, make_person, signed_in, token_of

pytestmark = pytest.mark.django_db(databases="__all__")

PASSWORD = "correct horse battery"
STEP = "/login/second-factor/"
OWN = "/account/second-factor/"


@pytest.fixture
def person() -> User:
    person = make_person("operator", name="ada")
    person.set_password(PASSWORD)
    person.save()
    return person


@pytest.fixture
def codes(person: User) -> list[str]:
    """Those on paper, of a second factor that was set up a minute ago."""
    factor = second_factor.prepare(user=person)
    then = utc_now() - timedelta(minutes=2)
    return second_factor.confirm(user=person, code=pyotp.TOTP(factor.secret).at(then), now=then)


def digits(person: User, *, steps: int = 0) -> str:
    return pyotp.TOTP(SecondFactor.objects.get(user=person).secret).at(utc_now() + timedelta(seconds=30 * steps))


def first_step(browser: Client, **query: str) -> Any:
    return browser.post("/admin/login/", {"username": "ada", "password": PASSWORD, **query})


def is_in(browser: Client) -> bool:
    return bool(browser.get("/admin/").status_code == 200)


def test_the_password_alone_opens_nothing(person: User, codes: list[str]) -> None:
    browser = Client()
    assert first_step(browser, next="/admin/tables/")["Location"] == STEP
    assert not is_in(browser)
    assert "_auth_user_id" not in browser.session
    assert browser.get("/api/v1/apps").status_code == 401

    wrong = browser.post(STEP, {"code": "000000"})
    assert wrong.status_code == 403
    right = browser.post(STEP, {"code": digits(person)})

    assert (right.status_code, right["Location"]) == (302, "/admin/tables/")
    assert is_in(browser)
    assert AuditEntry.objects.get(action="login.succeeded").details == {"how": "password and second factor"}
    assert AuditEntry.objects.get(action="login.failed").details["step"] == "second factor"


def test_a_login_link_asks_for_it_as_well(person: User, codes: list[str]) -> None:
    browser = Client()
    assert browser.post(issue_login_link(user=person, now=utc_now()))["Location"] == STEP
    assert not is_in(browser)
    browser.post(STEP, {"code": codes[0]})
    assert is_in(browser)


def test_no_code_is_taken_twice(person: User, codes: list[str]) -> None:
    for code, expected in ((digits(person), 302), (codes[3], 302), (codes[3].upper().replace("-", " "), 403)):
        for status in (expected, 403):
            browser = Client()
            first_step(browser)
            assert browser.post(STEP, {"code": code}).status_code == status, code
    assert len(SecondFactor.objects.get().recovery_hashes) == 9


def test_guessing_has_to_wait_wherever_it_comes_from(person: User, codes: list[str]) -> None:
    statuses = []
    for number in range(7):
        # The right password each time, which forgives wrong passwords, must not forgive wrong codes.
        browser = Client(REMOTE_ADDR=f"10.9.0.{number}")
        first_step(browser)
        statuses.append(browser.post(STEP, {"code": "abcdef"}).status_code)
    assert statuses == [403] * 5 + [429] * 2
    browser = Client()
    first_step(browser)
    assert browser.post(STEP, {"code": digits(person)}).status_code == 429
    SecondFactor.objects.update(locked_until=utc_now())
    assert browser.post(STEP, {"code": digits(person)}).status_code == 302
    assert SecondFactor.objects.get().failures == 0


def test_being_half_way_ends(person: User, codes: list[str]) -> None:
    browser = Client()
    first_step(browser)
    session = browser.session
    session["half_way"] = {**session["half_way"], "until": utc_now().timestamp() - 1}
    session.save()
    assert browser.post(STEP, {"code": digits(person)})["Location"] == "/admin/login/"
    first_step(browser)
    person.set_password("another correct horse")
    person.save()
    assert browser.post(STEP, {"code": digits(person)})["Location"] == "/admin/login/"
    assert Client().get(STEP)["Location"] == "/admin/login/"


@pytest.mark.parametrize("asked", [["operator"], ["everybody"]])
def test_whose_role_needs_one_sets_it_up_before_they_are_in(person: User, settings: Any, asked: list[str]) -> None:
    settings.DC_SECOND_FACTOR_ROLES = asked
    browser = Client()
    first_step(browser)
    page = browser.get(STEP).content.decode()
    assert 'src="data:image/svg+xml' in page
    assert SecondFactor.objects.get().secret in page
    assert not is_in(browser)

    done = browser.post(STEP, {"code": digits(person)})

    assert len(re.findall(r"<code>(\w{4}-\w{4}-\w{4}-\w{4})</code>", done.content.decode())) == 10
    assert is_in(browser)
    # What is required is not removed by oneself.
    browser.post(OWN, {"wanted": "remove", "code": digits(person, steps=1)})
    assert SecondFactor.objects.exists()


def test_others_need_none(person: User, settings: Any) -> None:
    settings.DC_SECOND_FACTOR_ROLES = ["admin", "superuser"]
    browser = Client()
    assert first_step(browser)["Location"] == "/admin/"
    assert is_in(browser)


def test_one_sets_up_ones_own_and_removes_it_with_a_code() -> None:
    browser = signed_in("viewer")
    viewer = User.objects.get()
    browser.get(OWN)
    assert second_factor.of(viewer) is None
    assert browser.post(OWN, {"code": "000000"}).status_code == 403
    assert b"Codes for paper" in browser.post(OWN, {"code": digits(viewer)}).content
    assert b"10 codes on paper" in browser.get(OWN).content
    had = SecondFactor.objects.get().recovery_hashes
    assert browser.post(OWN, {"wanted": "remove", "code": "000000"}).status_code == 403
    assert browser.post(OWN, {"wanted": "codes", "code": digits(viewer, steps=1)}).status_code == 200
    assert not set(had) & set(SecondFactor.objects.get().recovery_hashes)
    SecondFactor.objects.update(last_step=0)
    browser.post(OWN, {"wanted": "remove", "code": digits(viewer)})
    assert not SecondFactor.objects.exists()
    said = AuditEntry.objects.filter(action__startswith="second_factor.").values_list("action", flat=True)
    assert set(said) == {"second_factor.set_up", "second_factor.codes_made", "second_factor.removed"}


def test_the_database_holds_no_secret_that_can_be_read(person: User, codes: list[str]) -> None:
    factor = SecondFactor.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret, recovery_hashes FROM accounts_secondfactor")
        row = str(cursor.fetchone())
    assert factor.secret not in row
    assert not any(code.replace("-", "") in row for code in codes)


def test_an_administrator_removes_that_of_somebody_else(person: User, codes: list[str]) -> None:
    browser = signed_in("admin")
    address = f"/admin/accounts/user/{person.pk}/reset-second-factor/"
    assert "Remove the second factor" in browser.get(f"/admin/accounts/user/{person.pk}/change/").content.decode()
    browser.post(address)
    assert not SecondFactor.objects.exists()
    assert AuditEntry.objects.get(action="second_factor.removed").actor_name == "admin"
    own = User.objects.get(username="admin")
    assert browser.post(f"/admin/accounts/user/{own.pk}/reset-second-factor/").status_code == 403


def test_a_shell_removes_it(person: User, codes: list[str]) -> None:
    def said(*words: str) -> str:
        out = StringIO()
        call_command("secondfactor", *words, stdout=out)
        return out.getvalue()

    assert said("ada").startswith("ada: since ")
    assert said("ada", "--reset") == "ada: forgotten.\n"
    assert said("ada") == "ada: none.\n"
    assert said("ada", "--reset") == "ada: there was none.\n"
    with pytest.raises(CommandError, match="There is no user"):
        said("nobody")


def test_programs_are_asked_for_none(settings: Any) -> None:
    settings.DC_SECOND_FACTOR_ROLES = ["everybody"]
    client, secret = make_client(role="viewer")
    bearer = {"authorization": f"Bearer {token_of(client, secret)}"}
    assert Client(headers=bearer).get("/api/v1/apps").status_code == 200
