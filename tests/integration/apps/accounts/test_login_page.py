"""The page behind a login link, as a browser and as a mail scanner meet it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from apps.accounts.models import LoginLink, User
from apps.accounts.services import ensure_administrator, issue_login_link
from apps.core.clock import utc_now

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def path() -> str:
    return issue_login_link(user=ensure_administrator(), now=utc_now())


def test_opening_the_link_shows_a_button_and_uses_nothing_up(client: Client, path: str) -> None:
    for _ in range(3):
        response = client.get(path)
        assert response.status_code == 200
        assert b'<button type="submit">Sign in</button>' in response.content
    client.head(path)
    assert LoginLink.objects.get().used_at is None
    assert "_auth_user_id" not in client.session


def test_the_button_signs_in_and_leads_home(client: Client, path: str) -> None:
    response = client.post(path, follow=True)
    assert response.redirect_chain == [("/admin/", 302)]
    assert response.status_code == 200
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)


def test_signing_in_changes_the_session_key(client: Client, path: str) -> None:
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.post(path)
    assert client.session.session_key != session.session_key


def test_a_second_use_is_refused_and_names_no_one(client: Client, path: str) -> None:
    client.post(path)
    answer = Client().post(path)
    assert answer.status_code == 410
    assert "not valid any more" in answer.text
    assert "admin" not in answer.text.replace("/admin/", "").replace("administrator", "")


def test_used_expired_and_made_up_links_cannot_be_told_apart(client: Client, path: str) -> None:
    client.post(path)
    expired = issue_login_link(user=User.objects.get(), now=utc_now() - timedelta(hours=2))
    answers = {Client().post(url).content for url in (path, expired, "/login/made-up/")}
    pages = {b"".join(Client().get(url).content.split(b"csrfmiddlewaretoken")[:1]) for url in (path, "/login/made-up/")}
    assert len(answers) == 1
    assert len(pages) == 1


def test_the_page_is_neither_kept_nor_told_to_other_sites(client: Client, path: str) -> None:
    for response in (client.get(path), client.post(path), client.post(path)):
        assert "no-store" in response["Cache-Control"]
        assert response["Referrer-Policy"] == "same-origin"
        assert response["X-Robots-Tag"] == "noindex, nofollow"
        assert response["X-Frame-Options"] == "DENY"


def test_the_form_needs_its_csrf_token(path: str) -> None:
    response = Client(enforce_csrf_checks=True).post(path)
    assert response.status_code == 403
    assert "This form was not accepted" in response.text
    assert LoginLink.objects.get().used_at is None


def test_a_password_that_was_never_set_lets_nobody_in(client: Client, path: str) -> None:
    for password in ("admin", "", "!"):
        response = client.post("/admin/login/", {"username": "admin", "password": password})
        assert response.status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_password_somebody_set_lets_them_in(client: Client) -> None:
    User.objects.create_user("ana", password="correct horse battery", is_staff=True)
    response = client.post("/admin/login/?next=/admin/", {"username": "ana", "password": "correct horse battery"})
    assert response.status_code == 302
    assert "You have no role yet" in client.get("/admin/").text
