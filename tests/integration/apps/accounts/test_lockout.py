"""Guessing of passwords, on every way a password gets in."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.accounts import lockout
from apps.accounts.address import client_address, neighbourhood
from apps.accounts.lockout import FREE_OF_ADDRESS, FREE_OF_NAME, Locked
from apps.accounts.models import AuditEntry, Lockout, User
from apps.core.clock import utc_now
from tests.integration.people import make_person, messages_of, signed_in

pytestmark = pytest.mark.django_db

PASSWORD, WRONG = "correct-horse-battery", "wrong"
HERE, THERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def person() -> User:
    person = make_person("viewer", name="vera")
    person.set_password(PASSWORD)
    person.save()
    return person


def sign_in(password: str = WRONG, *, name: str = "vera", address: str = HERE, **headers: str) -> Any:
    browser = Client(REMOTE_ADDR=address, headers=headers)
    return browser.post("/admin/login/?next=/admin/", {"username": name, "password": password})


def guess(count: int, **options: Any) -> list[int]:
    return [sign_in(**options).status_code for _ in range(count)]


def test_after_some_wrong_passwords_even_the_right_one_has_to_wait(person: User) -> None:
    assert guess(FREE_OF_NAME) == [200] * FREE_OF_NAME

    response = sign_in(PASSWORD)

    assert response.status_code == 429
    assert "Too many attempts. Try again in 1 minute." in response.content.decode()


def test_nobody_locks_somebody_else_out(person: User) -> None:
    guess(FREE_OF_NAME + 3)

    assert sign_in(PASSWORD, address=THERE).status_code == 302
    assert sign_in(PASSWORD).status_code == 429


def test_the_right_password_forgives_the_wrong_ones(person: User) -> None:
    for _ in range(3):
        guess(FREE_OF_NAME - 1)
        assert sign_in(PASSWORD).status_code == 302
    assert not Lockout.objects.filter(name="vera").exists()


def test_unknown_names_are_treated_alike_and_kept_nowhere() -> None:
    assert guess(FREE_OF_NAME + 1, name=PASSWORD) == [200] * FREE_OF_NAME + [429]

    assert PASSWORD not in str(list(Lockout.objects.values()))
    assert PASSWORD not in str(list(AuditEntry.objects.values()))
    assert AuditEntry.objects.filter(action="login.failed", subject="somebody unknown").count() == FREE_OF_NAME


def test_what_failed_is_in_the_audit_with_its_address_and_without_the_password(person: User) -> None:
    guess(FREE_OF_NAME + 4, password="hunter2-hunter2")

    entries = AuditEntry.objects.filter(action="login.failed").order_by("pk")
    assert [entry.details["locked"] for entry in entries] == [False] * (FREE_OF_NAME - 1) + [True]
    assert {(entry.subject, entry.address, entry.object_id) for entry in entries} == {("vera", HERE, str(person.pk))}
    assert "hunter2" not in str(list(AuditEntry.objects.values()))

    assert sign_in(PASSWORD, address=THERE).status_code == 302
    done = AuditEntry.objects.get(action="login.succeeded")
    assert (done.actor_name, done.address, done.details) == ("vera", THERE, {"how": "password"})


def test_one_address_cannot_try_all_names() -> None:
    for number in range(FREE_OF_ADDRESS):
        lockout.begin(f"name {number}", HERE, now=utc_now())

    with pytest.raises(Locked):
        lockout.begin("another name", HERE, now=utc_now())
    lockout.begin("another name", THERE, now=utc_now())


def test_the_wait_grows_with_each_wrong_password_and_is_forgotten_after_a_day() -> None:
    now, waits = utc_now(), []
    for _ in range(FREE_OF_NAME - 1):
        lockout.begin("vera", HERE, now=now)
    for _ in range(10):
        lockout.begin("vera", HERE, now=now)
        with pytest.raises(Locked) as locked:
            lockout.begin("vera", HERE, now=now)
        waits.append((locked.value.until - now).total_seconds())
        now = locked.value.until

    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert lockout.begin("vera", HERE, now=now + timedelta(hours=25)).is_last is False


@pytest.mark.parametrize("forged", ["203.0.113.9", "203.0.113.9, 10.0.0.1", "nonsense", ""])
def test_a_made_up_header_is_no_other_address(person: User, forged: str) -> None:
    codes = [sign_in(**{"x-forwarded-for": f"{forged}{n}"}).status_code for n in range(FREE_OF_NAME + 1)]

    assert codes == [200] * FREE_OF_NAME + [429]


def test_of_the_header_as_many_entries_are_believed_as_there_are_proxies(settings: Any) -> None:
    meta = {"REMOTE_ADDR": "10.0.0.2", "HTTP_X_FORWARDED_FOR": "1.1.1.1, 203.0.113.9, 10.0.0.1"}
    found = {}
    for count in (0, 1, 2, 3, 4):
        settings.DC_PROXY_COUNT = count
        found[count] = client_address(meta)

    assert found == {0: "10.0.0.2", 1: "10.0.0.1", 2: "203.0.113.9", 3: "1.1.1.1", 4: "10.0.0.2"}
    assert client_address({}) is None
    assert client_address({"REMOTE_ADDR": "testserver"}) is None


def test_a_guest_with_a_network_of_addresses_is_one_place() -> None:
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:1") == "2001:db8::/64"
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood(None) == ""


def test_an_administrator_unlocks_and_that_is_in_the_audit(person: User) -> None:
    guess(FREE_OF_NAME)
    row = Lockout.objects.get(name="vera")
    chosen = {"action": "unlock", "_selected_action": [row.pk]}
    assert signed_in("viewer").post("/admin/accounts/lockout/", chosen).status_code == 403

    response = signed_in("admin").post("/admin/accounts/lockout/", chosen, follow=True)

    assert messages_of(response) == ["1 unlocked."]
    assert sign_in(PASSWORD).status_code == 302
    assert AuditEntry.objects.get(action="lockout.unlocked").details == {"failures": 5}


@pytest.mark.django_db(transaction=True)
def test_a_hundred_at_once_are_a_hundred() -> None:
    refused: list[bool] = []

    def attempt() -> None:
        try:
            lockout.begin("vera", HERE, now=utc_now())
        except Locked:
            refused.append(True)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 16 - FREE_OF_NAME
