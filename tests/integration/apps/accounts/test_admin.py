"""The pages of people, roles and login links."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts.audit import record
from apps.accounts.models import LoginLink, User
from apps.accounts.services import issue_login_link
from apps.core.clock import utc_now
from tests.integration.people import make_person, messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

USERS = "/admin/accounts/user/"


def test_the_list_of_people_costs_the_same_for_one_and_for_many(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = signed_in()
    for number in range(30):
        make_person("viewer", name=f"viewer{number}")
    client.get(USERS)
    with django_assert_num_queries(6):  # session, user, count, groups of the filter, page, groups of the page
        page = client.get(USERS)
    assert "viewer29" in page.text


def test_a_person_is_added_with_a_role_and_without_a_password() -> None:
    client = signed_in("admin")
    operator = Group.objects.get(name="operator")
    client.post(
        f"{USERS}add/",
        {"username": "olga", "usable_password": "false", "is_staff": "on", "groups": [operator.pk]},
    )
    olga = User.objects.get(username="olga")
    assert olga.is_staff
    assert not olga.has_usable_password()
    assert list(olga.groups.all()) == [operator]


def test_a_login_link_is_shown_once_and_works() -> None:
    person = make_person("viewer")
    page = signed_in("admin").post(f"{USERS}{person.pk}/login-link/")
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    path = "/login/" + page.text.split("http://testserver/login/")[1].split('"')[0]
    visitor = Client()
    assert visitor.post(path).status_code == 302
    assert visitor.session["_auth_user_id"] == str(person.pk)


def test_a_login_link_is_made_by_a_click_never_by_opening_an_address() -> None:
    person = make_person("viewer")
    assert signed_in("admin").get(f"{USERS}{person.pk}/login-link/").status_code == 405
    assert not LoginLink.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "operator", "developer"])
def test_who_does_not_manage_people_makes_no_links(role: str) -> None:
    person = make_person("", name="target")
    assert signed_in(role).post(f"{USERS}{person.pk}/login-link/").status_code == 403
    assert signed_in(role).get(USERS).status_code == 403
    assert not LoginLink.objects.exists()


def test_a_link_for_somebody_switched_off_says_why_not() -> None:
    person = make_person("viewer")
    User.objects.filter(pk=person.pk).update(is_active=False)
    response = signed_in("admin").post(f"{USERS}{person.pk}/login-link/", follow=True)
    assert messages_of(response) == ['"viewer" is switched off: set it active first.']


def test_an_admin_can_neither_become_nor_touch_a_superuser() -> None:
    boss, client = make_person("superuser"), signed_in("admin")
    me = User.objects.get(username="admin")
    form = {"username": "admin", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    client.post(f"{USERS}{me.pk}/change/", form)
    me.refresh_from_db()
    assert not me.is_superuser
    assert client.post(f"{USERS}{boss.pk}/change/", {**form, "username": "mine"}).status_code == 403
    assert client.post(f"{USERS}{boss.pk}/password/", {"password1": "x", "password2": "x"}).status_code == 403
    assert client.post(f"{USERS}{boss.pk}/login-link/").status_code == 403
    assert client.post(f"{USERS}{boss.pk}/delete/", {"post": "yes"}).status_code == 403
    boss.refresh_from_db()
    assert boss.username == "superuser"


def test_somebody_without_a_password_can_be_given_one() -> None:
    client = signed_in()
    me = User.objects.get()
    assert not me.has_usable_password()
    words = {"usable_password": "true", "password1": "four words in a row", "password2": "four words in a row"}
    client.post(f"{USERS}{me.pk}/password/", words)
    me.refresh_from_db()
    assert me.check_password("four words in a row")


def test_a_person_can_be_deleted_with_their_links() -> None:
    person = make_person("viewer")
    issue_login_link(user=person, now=utc_now())
    signed_in("admin").post(f"{USERS}{person.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=person.pk).exists()
    assert not LoginLink.objects.exists()


def test_built_in_roles_cannot_be_changed_but_own_groups_can() -> None:
    client = signed_in("superuser")
    viewer, own = Group.objects.get(name="viewer"), Group.objects.create(name="night shift")
    assert client.post(f"/admin/auth/group/{viewer.pk}/change/", {"name": "x"}).status_code == 403
    assert client.post(f"/admin/auth/group/{viewer.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"/admin/auth/group/{own.pk}/change/", {"name": "day shift"})
    own.refresh_from_db()
    assert own.name == "day shift"


def test_only_a_superuser_makes_groups_because_a_group_can_hold_any_permission() -> None:
    own = Group.objects.create(name="night shift")
    client = signed_in("admin")
    assert client.post("/admin/auth/group/add/", {"name": "all of them"}).status_code == 403
    assert client.post(f"/admin/auth/group/{own.pk}/change/", {"name": "x"}).status_code == 403
    assert not Group.objects.filter(name="all of them").exists()


def test_links_are_listed_with_what_became_of_them() -> None:
    person = make_person("viewer")
    for _ in range(2):
        issue_login_link(user=person, now=utc_now())
    page = signed_in("admin").get("/admin/accounts/loginlink/").text
    assert page.count("revoked") == 1
    assert "open" in page
    for link in LoginLink.objects.all():
        assert link.token_hash not in page


def test_audit_entries_are_shown_to_administrators_and_changed_by_nobody() -> None:
    entry = record(
        "app.purged", "a.b.c", source="ADMIN", actor=make_person("admin"), now=utc_now(), deleted={"runs": 2}
    )
    address = "/admin/accounts/auditentry/"
    assert "a.b.c" in signed_in("admin").get(address).text
    page = signed_in("superuser").get(f"{address}{entry.pk}/change/").text
    assert "app.purged" in page
    assert 'name="_save"' not in page
    assert signed_in("superuser").post(f"{address}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert signed_in("operator").get(address).status_code == 403
