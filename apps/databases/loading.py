"""Rows of `Connection` become connections of Django when somebody needs them, never when a process starts."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connections

from apps.databases.connectors import connector_of
from apps.databases.models import RESERVED_ALIASES, Connection

#: For so long a process believes what it has read.
FRESH_S = 10.0

_lock = threading.Lock()
#: alias -> (when it was read, by the monotonic clock; when the row was written)
_loaded: dict[str, tuple[float, datetime]] = {}


class UnusableConnection(DatabaseError):
    """A connection that is missing, disabled, or of an engine that is not known here; the message says which."""


def use(alias: str) -> str:
    """Make sure that Django knows the connection `alias` as its row is now. Returns `alias`.

    Raises `UnusableConnection`, `EncryptionError`, and what the platform's own database raises.
    """
    if alias in RESERVED_ALIASES:
        return alias
    with _lock:
        if alias not in _loaded or time.monotonic() - _loaded[alias][0] > FRESH_S:
            _load(alias)
    _renew(alias)
    return alias


def forget(alias: str) -> None:
    """The row was changed by this process: the next `use` reads it."""
    with _lock:
        _loaded.pop(alias, None)


def complete(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of DATABASES with everything that Django expects in it."""
    settings: dict[str, Any] = connections.configure_settings({"default": {"ENGINE": "dummy"}, "one": entry})["one"]
    return settings


def _load(alias: str) -> None:
    row = Connection.objects.using("default").filter(alias=alias).first()
    if row is None or not row.is_enabled:
        _loaded.pop(alias, None)
        raise UnusableConnection(f'Connection "{alias}" {"is disabled" if row else "does not exist"}. {_known()}')
    if alias not in _loaded or _loaded[alias][1] != row.modified_at:
        try:
            entry = connector_of(row).django_settings()
        except ValueError as error:
            raise UnusableConnection(str(error)) from None
        # Other threads go through the old dictionary at this moment: it stays as it is.
        connections.settings = {**connections.settings, alias: complete(entry)}
    _loaded[alias] = (time.monotonic(), row.modified_at)


def _known() -> str:
    names = list(Connection.objects.using("default").filter(is_enabled=True).values_list("alias", flat=True)[:20])
    return f"There are: {', '.join(names)}." if names else "There are no enabled ones."


def _renew(alias: str) -> None:
    """This thread may hold a connection by the settings of before; in the middle of a transaction it keeps it."""
    held = connections[alias]
    if held.settings_dict is not connections.settings[alias] and not held.in_atomic_block:
        held.close()
        del connections[alias]
