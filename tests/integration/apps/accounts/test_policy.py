from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import IntegrityError, transaction

from apps.accounts.models import RoleGrant, User
from apps.accounts.policy import SCOPED, everywhere, granted_codes, may, narrow
from apps.accounts.principal import Principal
from apps.accounts.roles import ROLES
from apps.accounts.scopes import SCOPES, allows
from apps.registry.models import App, AppGroup, AppParent
from apps.runtime.models import Command, Runtime, State
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_client, make_person

pytestmark = pytest.mark.django_db

CODES = ("shop.books.list", "shop.books.prices", "shop.toys.list", "shopping.books.list", "news.daily.list")


@pytest.fixture
def apps() -> dict[str, App]:
    return {code: make_app(code) for code in CODES}


def seen(person: object) -> set[str]:
    return set(narrow(person, "registry.view_app", App.objects.all()).values_list("code", flat=True))


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        ("app", {"shop.books.list"}),
        ("parent", {"shop.books.list", "shop.books.prices"}),
        ("group", {"shop.books.list", "shop.books.prices", "shop.toys.list"}),
    ],
)
def test_a_grant_holds_for_what_is_below_it_and_nothing_else(
    apps: dict[str, App], whole: str, expected: set[str]
) -> None:
    person = make_person()
    grant(person, "viewer", apps["shop.books.list"], whole=whole)

    assert seen(person) == expected
    assert {code for code, app in apps.items() if may(person, "registry.view_app", app)} == expected
    assert {code for code in CODES if may(person, "registry.view_app", code)} == expected
    assert not any(may(person, "registry.change_app", app) for app in apps.values())


def test_a_role_holds_everywhere_and_a_grant_adds_to_it(apps: dict[str, App]) -> None:
    person = make_person("viewer")
    grant(person, "operator", apps["news.daily.list"])

    assert seen(person) == set(CODES)
    assert may(person, "runtime.add_command", apps["news.daily.list"])
    assert not may(person, "runtime.add_command", apps["shop.toys.list"])


def test_a_group_of_people_can_be_granted_a_part(apps: dict[str, App]) -> None:
    team = Group.objects.create(name="book team")
    person = make_person()
    grant(team, "viewer", apps["shop.books.list"], whole="parent")

    assert seen(person) == set()
    person.groups.add(team)
    assert seen(User.objects.get(pk=person.pk)) == {"shop.books.list", "shop.books.prices"}


def test_rows_of_runs_and_commands_follow_their_app(apps: dict[str, App]) -> None:
    person = make_person()
    grant(person, "operator", apps["shop.toys.list"])
    own, foreign = (make_run(apps[code], State.SUCCEEDED) for code in ("shop.toys.list", "news.daily.list"))

    assert list(narrow(person, "runtime.view_runtime", Runtime.objects.all())) == [own]
    assert may(person, "runtime.view_runtime", own)
    assert not may(person, "runtime.view_runtime", foreign)
    assert not narrow(person, "runtime.view_command", Command.objects.all()).exists()


def test_what_belongs_to_no_app_takes_a_role_that_holds_everywhere(apps: dict[str, App]) -> None:
    person = make_person()
    grant(person, "admin", apps["shop.toys.list"], whole="group")

    for permission in (
        "runtime.view_node",
        "accounts.view_user",
        "accounts.add_rolegrant",
        "notifications.add_channel",
    ):
        assert not may(person, permission)
    assert not narrow(person, "accounts.view_user", User.objects.all()).exists()
    assert may(person, "runtime.add_command")
    assert not everywhere(person, "runtime.add_command")


def test_groups_and_parents_are_seen_by_those_who_see_something_inside(apps: dict[str, App]) -> None:
    person = make_person()
    grant(person, "developer", apps["shop.books.list"])
    grant(person, "developer", apps["news.daily.list"], whole="parent")

    groups = narrow(person, "registry.view_appgroup", AppGroup.objects.all())
    parents = narrow(person, "registry.view_appparent", AppParent.objects.all())

    assert {group.name for group in groups} == {"shop", "news"}
    assert {str(parent) for parent in parents} == {"shop.books", "news.daily"}
    # To change the container takes a grant for the container.
    assert not narrow(person, "registry.change_appgroup", AppGroup.objects.all()).exists()
    assert [str(parent) for parent in narrow(person, "registry.change_appparent", AppParent.objects.all())] == [
        "news.daily"
    ]


def test_nobody_and_those_who_left_may_do_nothing(apps: dict[str, App]) -> None:
    person = make_person("admin")
    grant(person, "admin", apps["shop.toys.list"])
    person.is_active = False
    person.save()

    for asker in (AnonymousUser(), None, Principal(), person):
        assert not may(asker, "registry.view_app")
        assert not may(asker, "registry.view_app", apps["shop.toys.list"])
        assert seen(asker) == set()
        assert granted_codes(asker, "registry.view_app") == []


def test_scopes_narrow_what_a_person_may(apps: dict[str, App]) -> None:
    person = make_person("admin")
    client, _ = make_client(authorization_grant_type="authorization-code", redirect_uris="https://a.example/cb")
    reader = Principal(user=person, client=client, scopes=frozenset({"read"}))

    assert reader.may("registry.view_app", apps["shop.toys.list"])
    assert not reader.may("runtime.add_command", apps["shop.toys.list"])
    assert not reader.may("accounts.view_user")
    assert not Principal(user=person, client=client, scopes=frozenset()).may("registry.view_app")


def test_a_client_has_its_own_role_and_grants(apps: dict[str, App]) -> None:
    client, _ = make_client(scopes=["read", "run"])
    principal = Principal(client=client, scopes=frozenset({"read", "run"}))
    assert seen(principal) == set()

    grant(client, "operator", apps["shop.books.list"], whole="parent")
    principal = Principal(client=client, scopes=frozenset({"read", "run"}))
    assert seen(principal) == {"shop.books.list", "shop.books.prices"}
    assert principal.may("runtime.add_command", apps["shop.books.list"])
    assert not principal.may("runtime.add_command", apps["shop.toys.list"])

    client.role = "viewer"
    assert seen(Principal(client=client, scopes=frozenset({"read"}))) == set(CODES)
    client.is_active = False
    assert seen(Principal(client=client, scopes=frozenset({"read"}))) == set()


def test_codes_are_told_to_what_knows_apps_by_name_only(apps: dict[str, App]) -> None:
    person = make_person()
    grant(person, "viewer", apps["shop.books.list"], whole="group")
    grant(person, "viewer", apps["news.daily.list"])

    assert sorted(granted_codes(person, "registry.view_app") or []) == ["news.daily.list", "shop."]
    assert granted_codes(make_person("viewer"), "registry.view_app") is None


def test_every_permission_of_a_role_is_in_some_scope_and_roles_grow() -> None:
    permissions = frozenset().union(*ROLES.values())

    assert [name for name in permissions if not allows(frozenset(SCOPES), name)] == []
    assert {"runtime.add_command", "registry.view_app", "credentials.change_credential"} <= SCOPED
    assert not SCOPED & {"accounts.change_user", "runtime.view_node", "auth.change_group"}
    for name in permissions:
        app, _, code = name.partition(".")
        verb, _, model = code.partition("_")
        for role, held in ROLES.items():
            if verb == "change" and name in held:
                assert f"{app}.view_{model}" in held, f"{role} may change what it may not see: {name}"


def test_grants_are_asked_for_once_a_request(apps: dict[str, App], django_assert_num_queries: object) -> None:
    person = make_person()
    grant(person, "viewer", apps["shop.books.list"])
    person = User.objects.get(pk=person.pk)
    may(person, "registry.view_app")

    with django_assert_num_queries(0):  # type: ignore[operator]
        assert [may(person, "registry.view_app", app) for app in apps.values()].count(True) == 1


def test_a_grant_is_for_one_and_somewhere_and_there_once(apps: dict[str, App]) -> None:
    person, app = make_person(), apps["shop.toys.list"]
    for wrong in ({}, {"user": person}, {"app": app}, {"user": person, "app": app, "app_group": app.parent.group}):
        with pytest.raises(IntegrityError), transaction.atomic():
            RoleGrant.objects.create(role="viewer", **wrong)

    grant(person, "viewer", app)
    with pytest.raises(IntegrityError), transaction.atomic():
        grant(person, "viewer", app)
    assert str(RoleGrant.objects.get()) == "nobody: viewer of shop.toys.list"
