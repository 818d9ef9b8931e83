"""Who may do what: one table. Pages, actions and commands ask for the permissions named here and for no others.

A role is a Django group of the same name. `seed_roles` makes the groups say what the table says; groups of other names
are the operators' own and are left alone.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, transaction

#: May look at everything that was collected; `registry.view_app` also opens the tables of collected rows. Taking whole
#: tables away as a file is another permission, `registry.export_app`.
VIEWER = frozenset(
    {
        "registry.view_appgroup",
        "registry.view_appparent",
        "registry.view_app",
        "runtime.view_runtime",
        "runtime.view_command",
        "runtime.view_node",
        "runtime.view_itemqueue",
        "logs.view_log",
        "logs.view_sinkcursor",
        "databases.view_appdbobject",
        "quality.view_dataset",
        "quality.view_rule",
        "quality.view_quarantinedrow",
        "captcha.view_solve",
        "captcha.view_budget",
        "politeness.view_site",
    }
)
#: May also start and stop runs (`runtime.add_command`), switch apps on and off, change their schedule, export collected
#: rows, settle those in quarantine and let a merge through, say whether a captcha was solved right, release leases of
#: proxies, ban and lift bans, set the pauses at sites, and see where messages go, and which solvers of captchas,
#: providers of proxies and credentials there are, never their values.
OPERATOR = VIEWER | {
    "runtime.add_command",
    "registry.export_app",
    "registry.change_app",
    "credentials.view_credential",
    "notifications.view_channel",
    "notifications.view_delivery",
    "databases.view_connection",
    "quality.change_quarantinedrow",
    "quality.add_letthrough",
    "captcha.view_solveraccount",
    "captcha.change_solve",
    *(f"proxies.view_{model}" for model in ("provider", "proxyexit", "proxyreservation", "proxyban", "proxytarget")),
    "proxies.change_proxyreservation",
    "proxies.add_proxyban",
    "proxies.delete_proxyban",
    "politeness.change_site",
}
#: May also arrange the registry, the rules of quality and the budgets for captchas, and see and change the
#: clock's own periodic tasks.
DEVELOPER = OPERATOR | {
    "registry.add_appgroup",
    "registry.change_appgroup",
    "registry.add_appparent",
    "registry.change_appparent",
    "quality.add_rule",
    "quality.change_rule",
    "quality.delete_rule",
    "captcha.add_budget",
    "captcha.change_budget",
    "captcha.delete_budget",
    *(
        f"django_celery_beat.{verb}_{model}"
        for verb in ("view", "change")
        for model in ("periodictask", "intervalschedule", "crontabschedule", "clockedschedule", "solarschedule")
    ),
}
#: May also manage people, say where messages go, and delete what the registry holds.
ADMIN = DEVELOPER | {
    "registry.delete_app",
    "registry.delete_appgroup",
    "registry.delete_appparent",
    "accounts.view_user",
    "accounts.add_user",
    "accounts.change_user",
    "accounts.delete_user",
    "accounts.view_auditentry",
    "accounts.view_loginlink",
    "accounts.add_loginlink",
    "accounts.delete_loginlink",
    *(f"accounts.{verb}_{model}" for verb in ("view", "add", "change", "delete") for model in ("rolegrant", "client")),
    "accounts.view_lockout",
    "accounts.delete_lockout",
    "auth.view_group",
    "auth.add_group",
    "auth.change_group",
    "auth.delete_group",
    "credentials.add_credential",
    "credentials.change_credential",
    "credentials.delete_credential",
    "notifications.add_channel",
    "notifications.change_channel",
    "notifications.delete_channel",
    "captcha.add_solveraccount",
    "captcha.change_solveraccount",
    "captcha.delete_solveraccount",
    "proxies.add_provider",
    "proxies.change_provider",
    "proxies.delete_provider",
    "databases.add_connection",
    "databases.change_connection",
    "databases.delete_connection",
    *(
        f"django_celery_beat.{verb}_{model}"
        for verb in ("add", "delete")
        for model in ("periodictask", "intervalschedule", "crontabschedule", "clockedschedule", "solarschedule")
    ),
}
ROLES: dict[str, frozenset[str]] = {"viewer": VIEWER, "operator": OPERATOR, "developer": DEVELOPER, "admin": ADMIN}


class PermissionsMissing(Exception):
    """The database does not know a permission of the table yet; run `manage.py migrate` first."""


@transaction.atomic
def seed_roles() -> None:
    """Make every role's group hold exactly the permissions of the table. Again it costs three short queries."""
    found = _permissions(frozenset().union(*ROLES.values()))
    known = Group.objects.filter(name__in=ROLES).values_list("name", "pk")
    groups = dict(known)
    if new := [Group(name=name) for name in ROLES if name not in groups]:
        Group.objects.bulk_create(new, ignore_conflicts=True)
        groups = dict(known.all())
    wanted = {(groups[name], found[permission]) for name, each in ROLES.items() for permission in each}
    held = Group.permissions.through._default_manager.filter(group_id__in=groups.values())
    there = set(held.values_list("group_id", "permission_id"))
    for group, permission in there - wanted:
        held.filter(group_id=group, permission_id=permission).delete()
    missing = [held.model(group_id=group, permission_id=permission) for group, permission in sorted(wanted - there)]
    held.model._default_manager.bulk_create(missing, ignore_conflicts=True)


def seed_after_migrate(*, using: str, **_: Any) -> None:
    """New permissions reach the roles with the upgrade that brings them, whatever command is typed after it."""
    # Somebody who migrates one app of several, or back, has not got all of them: the roles stay what they are.
    if using == DEFAULT_DB_ALIAS:
        with suppress(PermissionsMissing):
            seed_roles()


def _permissions(names: frozenset[str]) -> dict[str, int]:
    """The key of each of these permissions."""
    labels = {name.partition(".")[0] for name in names}
    of_labels = Permission.objects.filter(content_type__app_label__in=labels)
    known = of_labels.values_list("content_type__app_label", "codename", "pk")
    found = {f"{label}.{codename}": pk for label, codename, pk in known}
    missing = sorted(names - found.keys())
    if missing:
        raise PermissionsMissing(f"Unknown permissions: {', '.join(missing)}. Run manage.py migrate first.")
    return found
