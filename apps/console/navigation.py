"""The sidebar: the domains of the platform, each entry only for those who may open it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts.policy import everywhere, may
from apps.console.tables import visible_tables

#: With more tables than this the sidebar names the first ones and links to the page of all.
TABLES_SHOWN = 12

#: Pages about everything there is: a role for a part does not open them.
FOR_ALL = frozenset({"logs_errorgroup_changelist", "logs_swepttable_changelist"})

#: Title, icon, URL name, and the permission that opens it; Home also tells who may see nothing what to do.
FRONT = (
    (gettext_noop("Home"), "home", "index", ""),
    (gettext_noop("Timeline"), "view_timeline", "timeline", "runtime.view_runtime"),
    (gettext_noop("System"), "monitor_heart", "system", "runtime.view_node"),
)

#: Group -> (title, icon, URL name, the permission that opens it).
GROUPS: dict[str, list[tuple[str, str, str, str]]] = {
    gettext_noop("Runs"): [
        (gettext_noop("Runs"), "play_circle", "runtime_runtime_changelist", "runtime.view_runtime"),
        (gettext_noop("Commands"), "terminal", "runtime_command_changelist", "runtime.view_command"),
        (gettext_noop("Bulk actions"), "checklist", "runtime_bulkjob_changelist", "runtime.view_command"),
        (gettext_noop("Item queues"), "playlist_play", "runtime_itemqueue_changelist", "runtime.view_itemqueue"),
        (gettext_noop("Log"), "article", "logs_log_changelist", "logs.view_log"),
        (gettext_noop("Errors"), "bug_report", "logs_errorgroup_changelist", "logs.view_log"),
        (gettext_noop("Functions"), "timer", "runtime_appfunction_changelist", "runtime.view_runtime"),
    ],
    gettext_noop("Registry"): [
        (gettext_noop("Apps"), "apps", "registry_app_changelist", "registry.view_app"),
        (gettext_noop("Parents"), "folder", "registry_appparent_changelist", "registry.view_appparent"),
        (gettext_noop("Groups"), "folder_copy", "registry_appgroup_changelist", "registry.view_appgroup"),
        (gettext_noop("Credentials"), "passkey", "credentials_credential_changelist", "credentials.view_credential"),
        (gettext_noop("Sites"), "traffic", "politeness_site_changelist", "politeness.view_site"),
    ],
    gettext_noop("Quality"): [
        (gettext_noop("Datasets"), "rule", "quality_dataset_changelist", "quality.view_dataset"),
        (gettext_noop("Quarantine"), "inventory_2", "quality_quarantinedrow_changelist", "quality.view_quarantinedrow"),
        (gettext_noop("Rules"), "checklist", "quality_rule_changelist", "quality.view_rule"),
    ],
    gettext_noop("Captchas"): [
        (gettext_noop("Solves"), "extension", "captcha_solve_changelist", "captcha.view_solve"),
        (gettext_noop("Budgets"), "savings", "captcha_budget_changelist", "captcha.view_budget"),
        (
            gettext_noop("Solver accounts"),
            "account_balance_wallet",
            "captcha_solveraccount_changelist",
            "captcha.view_solveraccount",
        ),
    ],
    gettext_noop("Proxies"): [
        (gettext_noop("Providers"), "vpn_lock", "proxies_provider_changelist", "proxies.view_provider"),
        (gettext_noop("Ways out"), "alt_route", "proxies_proxyexit_changelist", "proxies.view_proxyexit"),
        (gettext_noop("Leases"), "key", "proxies_proxyreservation_changelist", "proxies.view_proxyreservation"),
        (gettext_noop("Bans"), "block", "proxies_proxyban_changelist", "proxies.view_proxyban"),
        (gettext_noop("Sites by proxy"), "public", "proxies_proxytarget_changelist", "proxies.view_proxytarget"),
    ],
    gettext_noop("Clock"): [
        (
            gettext_noop("Periodic tasks"),
            "schedule",
            "django_celery_beat_periodictask_changelist",
            "django_celery_beat.view_periodictask",
        ),
        (
            gettext_noop("Intervals"),
            "timer",
            "django_celery_beat_intervalschedule_changelist",
            "django_celery_beat.view_intervalschedule",
        ),
        (
            gettext_noop("Crontabs"),
            "calendar_month",
            "django_celery_beat_crontabschedule_changelist",
            "django_celery_beat.view_crontabschedule",
        ),
    ],
    gettext_noop("Notifications"): [
        (gettext_noop("Channels"), "campaign", "notifications_channel_changelist", "notifications.view_channel"),
        (gettext_noop("Deliveries"), "outbox", "notifications_delivery_changelist", "notifications.view_delivery"),
    ],
    gettext_noop("System"): [
        (gettext_noop("Managers"), "dns", "runtime_node_changelist", "runtime.view_node"),
        (gettext_noop("Connections"), "database", "databases_connection_changelist", "databases.view_connection"),
        (
            gettext_noop("Touched objects"),
            "table_view",
            "databases_appdbobject_changelist",
            "databases.view_appdbobject",
        ),
        (gettext_noop("Sinks"), "output", "logs_sinkcursor_changelist", "logs.view_sinkcursor"),
        (gettext_noop("Retention"), "auto_delete", "logs_swepttable_changelist", "logs.view_log"),
    ],
    gettext_noop("People"): [
        (gettext_noop("Users"), "person", "accounts_user_changelist", "accounts.view_user"),
        (gettext_noop("Roles"), "group", "auth_group_changelist", "auth.view_group"),
        (gettext_noop("Grants"), "rule", "accounts_rolegrant_changelist", "accounts.view_rolegrant"),
        (gettext_noop("API clients"), "smart_toy", "accounts_client_changelist", "accounts.view_client"),
        (gettext_noop("Lockouts"), "lock_clock", "accounts_lockout_changelist", "accounts.view_lockout"),
        (gettext_noop("Login links"), "key", "accounts_loginlink_changelist", "accounts.view_loginlink"),
        (gettext_noop("Audit"), "fact_check", "accounts_auditentry_changelist", "accounts.view_auditentry"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The navigation in the form unfold wants it."""
    sections: list[dict[str, Any]] = [{"items": _front(request)}]
    for title, entries in GROUPS.items():
        items = [
            {"title": _(entry), "icon": icon, "link": reverse(f"admin:{name}")}
            for entry, icon, name, permission in entries
            if (everywhere if name in FOR_ALL else may)(request.user, permission)
        ]
        sections.append({"title": _(title), "separator": True, "items": items})
        if title == "Registry":
            sections.append({"title": _("Data"), "separator": True, "items": _data(request)})
    return [section for section in sections if section["items"]]


def _front(request: HttpRequest) -> list[dict[str, Any]]:
    """The pages about everything."""
    return [
        {"title": _(title), "icon": icon, "link": reverse(f"admin:{name}")}
        for title, icon, name, permission in FRONT
        if not permission or may(request.user, permission)
    ]


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
        items.append(
            {
                "title": _("All %(count)s tables") % {"count": len(tables)},
                "icon": "more_horiz",
                "link": reverse("admin:tables"),
            }
        )
    return items
