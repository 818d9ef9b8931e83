"""Login links and the first administrator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import IntegrityError, connections

from apps.accounts.models import LoginLink, User
from apps.accounts.services import (
    LoginLinkRefused,
    UserMayNotSignIn,
    ensure_administrator,
    issue_login_link,
    redeem_login_link,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_user(name: str = "ana", **values: Any) -> User:
    return User.objects.create_user(name, **({"is_staff": True} | values))


def token_of(path: str) -> str:
    return path.removeprefix("/login/").removesuffix("/")


def test_a_link_lets_its_user_in() -> None:
    user = make_user()
    token = token_of(issue_login_link(user=user, now=NOW))
    assert redeem_login_link(token=token, now=NOW + timedelta(minutes=59)) == user
    assert LoginLink.objects.get().fate(NOW) == LoginLink.Fate.USED


def test_the_token_is_long_random_and_not_kept() -> None:
    user = make_user()
    tokens = {token_of(issue_login_link(user=user, now=NOW)) for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) == 43 for token in tokens)  # 256 bits in base64
    kept = {link.token_hash for link in LoginLink.objects.all()}
    assert not kept & tokens


def test_a_link_works_once() -> None:
    token = token_of(issue_login_link(user=make_user(), now=NOW))
    redeem_login_link(token=token, now=NOW)
    with pytest.raises(LoginLinkRefused):
        redeem_login_link(token=token, now=NOW)


def test_a_link_runs_out() -> None:
    token = token_of(issue_login_link(user=make_user(), now=NOW))
    with pytest.raises(LoginLinkRefused):
        redeem_login_link(token=token, now=NOW + timedelta(hours=1))
    assert LoginLink.objects.get().fate(NOW + timedelta(hours=1)) == LoginLink.Fate.EXPIRED


def test_a_newer_link_replaces_the_older_one_of_the_same_user_only() -> None:
    user, other = make_user(), make_user("bo")
    old, others = (token_of(issue_login_link(user=person, now=NOW)) for person in (user, other))
    new = token_of(issue_login_link(user=user, now=NOW))
    with pytest.raises(LoginLinkRefused):
        redeem_login_link(token=old, now=NOW)
    assert redeem_login_link(token=new, now=NOW) == user
    assert redeem_login_link(token=others, now=NOW) == other


def test_a_made_up_token_is_refused() -> None:
    with pytest.raises(LoginLinkRefused):
        redeem_login_link(token="x" * 43, now=NOW)


def test_a_user_switched_off_after_the_link_was_made_is_not_let_in() -> None:
    user = make_user()
    token = token_of(issue_login_link(user=user, now=NOW))
    User.objects.update(is_active=False)
    with pytest.raises(LoginLinkRefused):
        redeem_login_link(token=token, now=NOW)
    assert LoginLink.objects.get().used_at is None


@pytest.mark.parametrize(("field", "word"), [("is_active", "switched off"), ("is_staff", "staff status")])
def test_no_link_is_made_for_who_could_not_use_it(field: str, word: str) -> None:
    user = make_user()
    setattr(user, field, False)
    with pytest.raises(UserMayNotSignIn, match=word):
        issue_login_link(user=user, now=NOW)
    assert not LoginLink.objects.exists()


def test_the_database_refuses_a_link_that_ends_before_it_begins() -> None:
    with pytest.raises(IntegrityError):
        issue_login_link(user=make_user(), now=NOW, lifetime=timedelta(0))


@pytest.mark.django_db(transaction=True)
def test_of_requests_that_race_for_one_link_exactly_one_wins() -> None:
    token = token_of(issue_login_link(user=make_user(), now=NOW))
    start, outcomes = Barrier(4), []

    def redeem() -> None:
        try:
            start.wait(5)
            redeem_login_link(token=token, now=NOW)
            outcomes.append("in")
        except LoginLinkRefused:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [Thread(target=redeem) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["in", "refused", "refused", "refused"]


def test_the_administrator_is_made_once_and_has_no_password() -> None:
    first = ensure_administrator()
    assert first.is_superuser
    assert first.is_staff
    assert not first.has_usable_password()
    first.set_password("a password of her own")
    first.save()
    again = ensure_administrator()
    assert again.pk == first.pk
    assert again.has_usable_password()
