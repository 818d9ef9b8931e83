"""How the admin looks: the settings of django-unfold."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def _static(path: str) -> Any:
    # The manifest of static files is not there when settings load; unfold calls functions per request.
    def url(_request: HttpRequest) -> str:
        return static(path)

    return url


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Data Collector",
    "SITE_HEADER": "Data Collector",
    "SITE_SYMBOL": "database",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("console/favicon.svg")}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [_static("console/console.css")],
    "SCRIPTS": [_static("console/live.js")],
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": "apps.console.navigation.sidebar",
    },
    "COMMAND": {"search_callback": "apps.console.search.palette", "show_history": True},
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .013 205)",
            "100": "oklch(94.6% .03 205)",
            "200": "oklch(90% .06 207)",
            "300": "oklch(82% .1 210)",
            "400": "oklch(72% .12 213)",
            "500": "oklch(60% .11 216)",
            "600": "oklch(50% .1 220)",
            "700": "oklch(44% .09 223)",
            "800": "oklch(38% .075 225)",
            "900": "oklch(32% .06 227)",
            "950": "oklch(25% .05 230)",
        },
    },
}
