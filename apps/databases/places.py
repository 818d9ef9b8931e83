"""Which connections a source may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from apps.core.encryption.keys import EncryptionError
from apps.databases.explaining import explained
from apps.databases.loading import UnusableConnection, use
from apps.databases.models import Connection
from collectors.toolkit.database import UnknownDatabase


def place_of(alias: str) -> str:
    """`alias`, when it leads to a database that is not the platform's. Raises `UnknownDatabase` where it does not."""
    with explained("default"):
        _refuse_the_platforms(alias)
        try:
            use(alias)
        except UnusableConnection as error:
            raise UnknownDatabase(str(error)) from None
        except EncryptionError as error:
            raise UnknownDatabase(f'The password of connection "{alias}" cannot be read: {error}') from None
    if _leads_to_the_platform(alias):
        raise UnknownDatabase(
            f'Connection "{alias}" is the platform\'s own database, signed in as the platform; give it a user of its '
            "own, who may not touch the platform's tables."
        )
    return alias


def _refuse_the_platforms(alias: str) -> None:
    if alias == "default":
        raise UnknownDatabase(f'"default" holds the platform\'s own tables, which are not for sources. {_known()}')
    if alias == "data" and alias not in settings.DATABASES:
        raise UnknownDatabase(
            "The collected rows live in the platform's own database here, so there is no door to them; "
            f"merge them by context.records, or make a connection for what is yours. {_known()}"
        )


def _known() -> str:
    rows = Connection.objects.using("default").filter(is_enabled=True)
    names = [*(["data"] if "data" in settings.DATABASES else []), *rows.values_list("alias", flat=True)[:20]]
    return f"There are: {', '.join(names)}." if names else "There are no others."


def _leads_to_the_platform(alias: str) -> bool:
    return _place(connections[alias].settings_dict) == _place(connections["default"].settings_dict)


def _place(entry: dict[str, Any]) -> tuple[Any, ...]:
    if entry["ENGINE"].endswith("sqlite3"):
        path = str(entry["NAME"]).removeprefix("file:").partition("?")[0]
        return (entry["ENGINE"], Path(path).resolve())
    # A port is a number in one place and a text in another.
    return tuple(str(entry[name]) for name in ("ENGINE", "NAME", "HOST", "PORT", "USER"))
