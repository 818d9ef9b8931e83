"""How the admin looks: the settings of django-unfold."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse


def _static(path: str) -> Any:
    # The manifest of static files is not there when settings load; unfold calls functions per request.
    def url(_request: HttpRequest) -> str:
        return static(path)

    return url


def _action(_request: HttpRequest) -> str:
    return reverse("language")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Data Collector",
    "SITE_HEADER": "Data Collector",
    "SITE_SYMBOL": "database",
    "SITE_URL": None,
    "SHOW_LANGUAGES": True,
    "LANGUAGES": {"navigation": "apps.accounts.languages.offered", "action": _action},
    "ACCOUNT": {"navigation": "apps.accounts.second_factor_views.account_links"},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("console/favicon.svg")}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    # Colours are a file too: ConsoleSite tells the theme not to write them into pages.
    "STYLES": [
        _static("console/theme.css"),
        _static("console/console.css"),
        _static("console/pages.css"),
        _static("console/palette.css"),
        _static("console/lists.css"),
    ],
    "SCRIPTS": [
        _static("console/live_morph.js"),
        _static("console/live_socket.js"),
        _static("console/live.js"),
        _static("console/palette.js"),
        _static("console/keys.js"),
        _static("console/mend.js"),
    ],
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": "apps.console.navigation.sidebar",
    },
}
