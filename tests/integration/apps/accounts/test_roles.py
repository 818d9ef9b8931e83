"""The table of roles, and the groups made from it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management.sql import emit_post_migrate_signal

from apps.accounts.models import User
from apps.accounts.roles import (
    ADMIN,
    DEVELOPER,
    OPERATOR,
    ROLES,
    VIEWER,
    PermissionsMissing,
    seed_after_migrate,
    seed_roles,
)

pytestmark = pytest.mark.django_db


def granted(role: str) -> set[str]:
    permissions = Group.objects.get(name=role).permissions.select_related("content_type")
    return {f"{permission.content_type.app_label}.{permission.codename}" for permission in permissions}


def test_every_role_holds_exactly_what_the_table_says() -> None:
    seed_roles()
    assert {role: granted(role) for role in ROLES} == {role: set(names) for role, names in ROLES.items()}


def test_each_role_may_more_than_the_one_before() -> None:
    assert VIEWER < OPERATOR < DEVELOPER < ADMIN


def test_a_viewer_may_only_look() -> None:
    assert all(name.split(".")[1].startswith("view_") for name in VIEWER)


def test_seeding_again_mends_a_role_and_leaves_other_groups_alone() -> None:
    seed_roles()
    viewer, own = Group.objects.get(name="viewer"), Group.objects.create(name="night shift")
    extra = Permission.objects.get(codename="delete_user")
    viewer.permissions.add(extra)
    own.permissions.add(extra)
    seed_roles()
    assert granted("viewer") == set(VIEWER)
    assert own.permissions.get() == extra
    assert Group.objects.count() == len(ROLES) + 1


def test_a_missing_permission_is_named() -> None:
    Group.objects.all().delete()
    Permission.objects.filter(codename="view_log").delete()
    with pytest.raises(PermissionsMissing, match=r"logs\.view_log.*manage\.py migrate"):
        seed_roles()
    assert not Group.objects.exists()


def test_roles_follow_their_table_after_a_migration_and_cost_little(django_assert_num_queries: Any) -> None:
    Group.objects.filter(name="viewer").delete()
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    assert granted("viewer") == set(VIEWER)
    with django_assert_num_queries(5):  # three, and the savepoint around them
        seed_after_migrate(using="default")
    Permission.objects.filter(codename="view_log").delete()
    seed_after_migrate(using="default")
    assert granted("viewer") == VIEWER - {"logs.view_log"}


def test_a_member_of_a_role_has_its_permissions() -> None:
    seed_roles()
    user = User.objects.create_user("olga", is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    user = User.objects.get(pk=user.pk)
    assert user.has_perm("runtime.add_command")
    assert not user.has_perm("accounts.view_user")
