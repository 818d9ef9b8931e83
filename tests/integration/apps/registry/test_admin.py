"""The pages of groups and parents."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from apps.registry.models import AppGroup, AppParent
from tests.integration.factories import make_app
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

GROUPS, PARENTS = "/admin/registry/appgroup/", "/admin/registry/appparent/"


def test_the_lists_cost_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in()
    for number in range(25):
        make_app(f"group{number}.parent{number}.app")
    for url, queries in ((GROUPS, 4), (PARENTS, 5)):  # session, user, count, page; parents: the groups of the filter
        client.get(url)
        with django_assert_num_queries(queries):
            page = client.get(url)
        assert "group24" in page.text


def test_a_group_and_a_parent_are_made() -> None:
    client = signed_in("developer")
    client.post(f"{GROUPS}add/", {"name": "prices", "title": "Prices"})
    client.post(f"{PARENTS}add/", {"group": AppGroup.objects.get().pk, "name": "acme"})
    assert str(AppParent.objects.get()) == "prices.acme"


def test_a_bad_name_is_told_in_the_form() -> None:
    page = signed_in("developer").post(f"{GROUPS}add/", {"name": "Prices!"})
    assert "Use small letters, digits and underscores, a letter first." in page.text
    assert not AppGroup.objects.exists()


def test_a_name_cannot_change_because_codes_and_folders_carry_it() -> None:
    app = make_app("prices.acme.books")
    client = signed_in("developer")
    client.post(f"{GROUPS}{app.parent.group.pk}/change/", {"name": "other", "title": "Prices of others"})
    client.post(f"{PARENTS}{app.parent.pk}/change/", {"name": "other", "title": "ACME"})
    app.refresh_from_db()
    assert (app.parent.group.name, app.parent.group.title) == ("prices", "Prices of others")
    assert (app.parent.name, app.parent.title) == ("acme", "ACME")


def test_a_group_with_parents_is_not_deleted() -> None:
    app = make_app("prices.acme.books")
    page = signed_in().post(f"{GROUPS}{app.parent.group.pk}/delete/", {"post": "yes"})
    assert "prices.acme" in page.text
    assert AppGroup.objects.count() == 1


def test_a_parent_appears_once_in_its_group() -> None:
    group = make_app("prices.acme.books").parent.group
    page = signed_in("developer").post(f"{PARENTS}add/", {"group": group.pk, "name": "acme"})
    assert "This group has a parent of that name already." in page.text
    with pytest.raises(IntegrityError), transaction.atomic():
        AppParent.objects.create(group=group, name="acme")
