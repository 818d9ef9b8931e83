"""The sidebar: the domains of the platform, each entry only for those who may open it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import escape

from apps.accounts.policy import everywhere, may
from apps.console.tables import visible_tables

#: With more tables than this the sidebar names the first ones and links to the page of all.
TABLES_SHOWN = 12

#: Pages about everything there is: a role for a part does not open them.
FOR_ALL = frozenset({"logs_errorgroup_changelist", "logs_swepttable_changelist"})

#: Group -> (title, icon, URL name, the permission that opens it).
GROUPS: dict[str, list[tuple[str, str, str, str]]] = {
    "Runs": [
        ("Runs", "play_circle", "runtime_runtime_changelist", "runtime.view_runtime"),
        ("Commands", "terminal", "runtime_command_changelist", "runtime.view_command"),
        ("Log", "article", "logs_log_changelist", "logs.view_log"),
        ("Errors", "bug_report", "logs_errorgroup_changelist", "logs.view_log"),
        ("Functions", "timer", "runtime_appfunction_changelist", "runtime.view_runtime"),
    ],
    "Registry": [
        ("Apps", "apps", "registry_app_changelist", "registry.view_app"),
        ("Parents", "folder", "registry_appparent_changelist", "registry.view_appparent"),
        ("Groups", "folder_copy", "registry_appgroup_changelist", "registry.view_appgroup"),
        ("Credentials", "passkey", "credentials_credential_changelist", "credentials.view_credential"),
    ],
    "Quality": [
        ("Datasets", "rule", "quality_dataset_changelist", "quality.view_dataset"),
        ("Quarantine", "inventory_2", "quality_quarantinedrow_changelist", "quality.view_quarantinedrow"),
        ("Rules", "checklist", "quality_rule_changelist", "quality.view_rule"),
    ],
    "Clock": [
        (
            "Periodic tasks",
            "schedule",
            "django_celery_beat_periodictask_changelist",
            "django_celery_beat.view_periodictask",
        ),
        (
            "Intervals",
            "timer",
            "django_celery_beat_intervalschedule_changelist",
            "django_celery_beat.view_intervalschedule",
        ),
        (
            "Crontabs",
            "calendar_month",
            "django_celery_beat_crontabschedule_changelist",
            "django_celery_beat.view_crontabschedule",
        ),
    ],
    "Notifications": [
        ("Channels", "campaign", "notifications_channel_changelist", "notifications.view_channel"),
        ("Deliveries", "outbox", "notifications_delivery_changelist", "notifications.view_delivery"),
    ],
    "System": [
        ("Managers", "dns", "runtime_node_changelist", "runtime.view_node"),
        ("Connections", "database", "databases_connection_changelist", "databases.view_connection"),
        ("Touched objects", "table_view", "databases_appdbobject_changelist", "databases.view_appdbobject"),
        ("Sinks", "output", "logs_sinkcursor_changelist", "logs.view_sinkcursor"),
        ("Retention", "auto_delete", "logs_swepttable_changelist", "logs.view_log"),
    ],
    "People": [
        ("Users", "person", "accounts_user_changelist", "accounts.view_user"),
        ("Roles", "group", "auth_group_changelist", "auth.view_group"),
        ("Grants", "rule", "accounts_rolegrant_changelist", "accounts.view_rolegrant"),
        ("API clients", "smart_toy", "accounts_client_changelist", "accounts.view_client"),
        ("Lockouts", "lock_clock", "accounts_lockout_changelist", "accounts.view_lockout"),
        ("Login links", "key", "accounts_loginlink_changelist", "accounts.view_loginlink"),
        ("Audit", "fact_check", "accounts_auditentry_changelist", "accounts.view_auditentry"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The navigation in the form unfold wants it."""
    sections: list[dict[str, Any]] = [{"items": [{"title": "Home", "icon": "home", "link": reverse("admin:index")}]}]
    for title, entries in GROUPS.items():
        items = [
            {"title": entry, "icon": icon, "link": reverse(f"admin:{name}")}
            for entry, icon, name, permission in entries
            if (everywhere if name in FOR_ALL else may)(request.user, permission)
        ]
        sections.append({"title": title, "separator": True, "items": items})
        if title == "Registry":
            sections.append({"title": "Data", "separator": True, "items": _data(request)})
    return [section for section in sections if section["items"]]


def _data(request: HttpRequest) -> list[dict[str, Any]]:
    tables = visible_tables(request)
    names = [table.name for table in tables]
    items = [
        # unfold prints titles as they are; equal names are told apart by their app.
        {
            "title": escape(table.name if names.count(table.name) == 1 else f"{table.name} ({table.app_code})"),
            "icon": "table",
            "link": table.url,
        }
        for table in tables[:TABLES_SHOWN]
    ]
    if len(tables) > TABLES_SHOWN:
        items.append({"title": f"All {len(tables)} tables", "icon": "more_horiz", "link": reverse("admin:tables")})
    return items
