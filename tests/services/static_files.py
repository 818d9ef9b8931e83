"""Static files are looked for once by each worker, not for every browser of every test."""

from __future__ import annotations

from typing import Any

from servestatic.middleware import ServeStaticMiddleware

_scan = ServeStaticMiddleware.add_files_from_finders
#: The files that the first middleware found, by their address.
_found: dict[str, Any] = {}


def install() -> None:
    """Let every further middleware of this process have what the first one found."""
    ServeStaticMiddleware.add_files_from_finders = _once


def _once(middleware: Any) -> None:
    if _found:
        middleware.files.update(_found)
        return
    _scan(middleware)
    _found.update(middleware.files)
