"""Who may do what: one policy for admin, REST and WebSocket alike (docs/security.md).

Something is allowed when a role says so: one that holds everywhere (a Django group, or the role of a client), or one
that holds for the part of the registry the object belongs to (a grant). What belongs to no app takes a role that holds
everywhere. A token's scopes narrow both. Whatever is not allowed here is refused.

    may(request.user, "runtime.add_command", app)      for this app?
    may(request.user, "runtime.view_runtime")          for anything at all? (opens the list; `narrow` fills it)
    narrow(request.user, "runtime.view_runtime", Runtime.objects.all())
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from apps.accounts.models import RoleGrant
from apps.accounts.principal import Principal, principal_of
from apps.accounts.roles import ROLES
from apps.accounts.scopes import allows

_M = TypeVar("_M", bound=Model)

#: Model -> the way to its app. Of these, people may be granted a part; of all others, everything or nothing.
APP_OF: dict[str, str] = {
    "registry.app": "",
    "runtime.runtime": "app",
    "runtime.command": "app",
    "runtime.itemqueue": "app",
    "runtime.appfunction": "app",
    "runtime.functionlog": "function__app",
    "logs.log": "app",
    "databases.appdbobject": "app",
    "credentials.credential": "app",
    "captcha.solve": "app",
}
#: Permissions about these alone can be granted for a part.
SCOPED = frozenset(
    permission
    for permission in frozenset().union(*ROLES.values())
    for model in [permission.partition(".")[0] + "." + permission.partition(".")[2].partition("_")[2]]
    if model in {*APP_OF, "registry.appgroup", "registry.appparent"}
)
#: Seeing a group or a parent is granted with anything inside of it, or nobody would know what their apps belong to.
_INSIDE = {"registry.appgroup": "parents__apps", "registry.appparent": "apps"}


def may(asker: Any, permission: str, obj: Model | str | None = None) -> bool:
    """Whether `asker` (a `Principal`, or the user of a request) has `permission` for `obj`.

    `obj` is a row, or an app code. Without it: whether there is anything they have it for; what they then see or
    touch is still to be narrowed.
    """
    principal = principal_of(asker)
    if not _is_open(principal, permission):
        return False
    if _everywhere(principal, permission):
        return True
    grants = _grants(principal, permission)
    if obj is None or not grants:
        return bool(grants)
    if isinstance(obj, Model) and obj._meta.label_lower in _INSIDE:
        return narrow(principal, permission, type(obj)._base_manager.filter(pk=obj.pk)).exists()
    code = obj if isinstance(obj, str) else _app_code(obj)
    return any(_covers_code(grant, code) for grant in grants)


def everywhere(asker: Any, permission: str) -> bool:
    """Whether they have it for everything, what belongs to no app included."""
    principal = principal_of(asker)
    return _is_open(principal, permission) and _everywhere(principal, permission)


def is_partial(model: type[Model]) -> bool:
    """Whether people may be granted a part of its rows."""
    return model._meta.label_lower in APP_OF or model._meta.label_lower in _INSIDE


def narrow(asker: Any, permission: str, queryset: QuerySet[_M]) -> QuerySet[_M]:
    """The rows of `queryset` for which `asker` has `permission`."""
    principal = principal_of(asker)
    if not _is_open(principal, permission):
        return queryset.none()
    if _everywhere(principal, permission):
        return queryset
    grants = _grants(principal, permission)
    label = queryset.model._meta.label_lower
    if not grants:
        return queryset.none()
    if label in APP_OF:
        return queryset.filter(_within(APP_OF[label], grants))
    if label in _INSIDE:
        return queryset.filter(pk__in=_containers(label, permission, grants, queryset.model))
    return queryset.none()


def granted_codes(asker: Any, permission: str) -> list[str] | None:
    """The app codes, and beginnings of app codes that end in a dot, for which they have it; None: for all.

    For what knows its app by name only, such as the tables of collected rows.
    """
    principal = principal_of(asker)
    if not _is_open(principal, permission):
        return []
    return None if _everywhere(principal, permission) else [_code_of(grant) for grant in _grants(principal, permission)]


def _is_open(principal: Principal, permission: str) -> bool:
    return principal.is_active and (principal.scopes is None or allows(principal.scopes, permission))


def _everywhere(principal: Principal, permission: str) -> bool:
    if principal.user is not None:
        return principal.user.has_perm(permission)
    return principal.client is not None and permission in ROLES.get(principal.client.role, frozenset())


def _grants(principal: Principal, permission: str) -> list[RoleGrant]:
    """Those of their grants whose role has the permission."""
    if permission not in SCOPED:
        return []
    return [grant for grant in principal.grants if permission in ROLES.get(grant.role, frozenset())]


def _within(way: str, grants: list[RoleGrant]) -> Q:
    """A condition on rows whose app is at the end of `way`."""
    start = f"{way}__" if way else ""
    condition = Q(pk__in=[])
    for name, column in (("app", "id"), ("app_parent", "parent_id"), ("app_group", "parent__group_id")):
        ids = {getattr(grant, f"{name}_id") for grant in grants} - {None}
        if ids:
            condition |= Q(**{f"{start}{column}__in": ids})
    return condition


def _app_code(obj: Any) -> str:
    """The code of the app a row belongs to; empty for one that belongs to none."""
    way = APP_OF.get(obj._meta.label_lower)
    if way is None:
        return ""
    for name in filter(None, way.split("__")):
        obj = getattr(obj, name)
    return str(obj.code) if obj is not None else ""


def _containers(label: str, permission: str, grants: list[RoleGrant], model: type[Model]) -> QuerySet[Any]:
    """The groups or parents that grants name or hold; to see them, a grant of something inside is enough."""
    conditions = list(_named(label, grants))
    if permission.partition(".")[2].startswith("view_"):
        conditions.append(_within(_INSIDE[label], grants))
        if label == "registry.appgroup":
            conditions.append(Q(parents__in={grant.app_parent_id for grant in grants} - {None}))
    condition = Q(pk__in=[])
    for one in conditions:
        condition |= one
    return model._base_manager.filter(condition).values("pk")


def _named(label: str, grants: list[RoleGrant]) -> Iterator[Q]:
    groups = {grant.app_group_id for grant in grants} - {None}
    if label == "registry.appgroup":
        yield Q(pk__in=groups)
    else:
        yield Q(group_id__in=groups) | Q(pk__in={grant.app_parent_id for grant in grants} - {None})


def _code_of(grant: RoleGrant) -> str:
    if grant.app is not None:
        return grant.app.code
    if grant.app_parent is not None:
        return f"{grant.app_parent.group.name}.{grant.app_parent.name}."
    return f"{grant.app_group.name}." if grant.app_group is not None else ""


def _covers_code(grant: RoleGrant, code: str) -> bool:
    covered = _code_of(grant)
    return bool(covered) and (code.startswith(covered) if covered.endswith(".") else code == covered)
