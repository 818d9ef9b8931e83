"""What a token may be used for. A scope only narrows: its owner must have the permission as well."""

from __future__ import annotations

from django.utils.translation import gettext_noop

from apps.accounts.roles import ROLES

#: Scope -> what people who are asked read.
SCOPES: dict[str, str] = {
    "read": gettext_noop("See apps, runs, logs and collected rows"),
    "run": gettext_noop("Start and stop runs, switch apps on and off"),
    "write": gettext_noop("Change the registry, channels, credentials and connections"),
    "admin": gettext_noop("Manage people, grants, API clients, and read the audit trail"),
}

_ALL = frozenset().union(*ROLES.values())
_PEOPLE = frozenset(name for name in _ALL if name.partition(".")[0] in ("accounts", "auth"))
_VIEW = frozenset(name for name in _ALL if name.partition(".")[2].startswith("view_")) - _PEOPLE
_RUN = frozenset({"runtime.add_command", "registry.change_app"})
_WIDTH: dict[str, frozenset[str]] = {
    "read": _VIEW,
    "run": _RUN,
    "write": _ALL - _VIEW - _PEOPLE - {"runtime.add_command"},
    "admin": _PEOPLE,
}


def allows(scopes: frozenset[str], permission: str) -> bool:
    """Whether a token with these scopes may be used for it. What no scope names, no token may do."""
    return any(permission in _WIDTH.get(scope, frozenset()) for scope in scopes)
