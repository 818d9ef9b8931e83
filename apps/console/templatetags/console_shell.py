"""What every page of the admin needs to know about the person who looks at it."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import may
from apps.accounts.preferences import has_single_keys
from apps.console.empty_states import Shown, empty_state

register = template.Library()

#: Key behind g -> title, address and the permission that opens it.
PLACES = {
    "h": ("Home", "index", ""),
    "a": ("Apps", "registry_app_changelist", "registry.view_app"),
    "r": ("Runs", "runtime_runtime_changelist", "runtime.view_runtime"),
    "c": ("Commands", "runtime_command_changelist", "runtime.view_command"),
    "l": ("Log", "logs_log_changelist", "logs.view_log"),
}


@register.filter
def single_keys(user: Any) -> bool:
    """Whether letters alone do something."""
    return has_single_keys(user)


@register.filter
def places(request: HttpRequest) -> list[tuple[str, str, str]]:
    """Where the keys lead, of those places that this person may open: key, title, address."""
    return [
        (key, _(title), reverse(f"admin:{name}"))
        for key, (title, name, permission) in PLACES.items()
        if not permission or may(request.user, permission)
    ]


@register.simple_tag
def nothing_here(changelist: Any) -> Shown:
    """What a list without a row says when nothing was searched for."""
    return empty_state(changelist.model_admin, changelist.request)


@register.filter
def is_narrowed(changelist: Any) -> bool:
    """Whether a list shows less than everything because somebody searched or filtered."""
    return bool(changelist.query or changelist.has_active_filters or changelist.get_filters_params())
