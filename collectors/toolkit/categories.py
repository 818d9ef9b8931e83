"""What kind of error an exception is. Libraries are recognised by name: none of them is imported for it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from collectors.toolkit.errors import Blocker, CollectError

#: No fault of the source: the platform's database was away, or another process held it.
PLATFORM = "platform"
#: After one of these a person has to repair something first.
BLOCKERS = frozenset({"database", "io"})

#: Start of the module of an exception -> category.
LIBRARIES = (
    ("httpx", "http"),
    ("httpcore", "http"),
    ("requests", "http"),
    ("urllib3", "http"),
    ("aiohttp", "http"),
    ("urllib.error", "http"),
    ("http.client", "http"),
    ("ssl", "http"),
    ("django.db", "database"),
    ("psycopg", "database"),
    ("sqlite3", "database"),
    ("sqlalchemy", "database"),
    ("pymssql", "database"),
    ("pyodbc", "database"),
    ("lxml", "parse"),
    ("xml", "parse"),
    ("json", "parse"),
    ("selectolax", "parse"),
    ("bs4", "parse"),
    ("pydantic", "parse"),
    ("pydantic_core", "parse"),
)
#: What says that this machine is at fault, not the file that was asked for.
LOCAL_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE}
)
#: SQLSTATE classes: connection lost, operator intervention, too many connections, rolled back for another's sake.
AWAY_CLASSES = ("08", "57", "40")
AWAY_STATES = ("53300",)
AWAY_WORDS = ("database is locked", "server closed the connection", "connection refused", "connection is closed")


def category_of(error: BaseException) -> str:
    """The category of an error; "unknown" when nothing tells."""
    chain = list(_chain(error))
    if any(_is_away(one) for one in chain):
        return PLATFORM
    return next((category for one in chain if (category := _own_category(one)) != "unknown"), "unknown")


def is_blocker(error: BaseException) -> bool:
    """Whether running again is pointless until a person has repaired something."""
    return isinstance(error, Blocker) or category_of(error) in BLOCKERS


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from on purpose."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__


def _own_category(error: BaseException) -> str:
    own = getattr(error, "category", None)
    if isinstance(error, CollectError) or (isinstance(own, str) and own):
        return str(own)
    if type(error).__name__ == "ProxyError":
        return "proxy"
    module = f"{type(error).__module__}."
    for start, category in LIBRARIES:
        if module.startswith(f"{start}."):
            return category
    if isinstance(error, (ConnectionError, TimeoutError)) or type(error).__name__ in ("gaierror", "herror"):
        return "http"
    if isinstance(error, OSError):
        return "io" if error.errno in LOCAL_ERRNOS else "unknown"
    return "parse" if isinstance(error, UnicodeDecodeError) else "unknown"


def _is_away(error: BaseException) -> bool:
    """Whether a database did not answer, or could not at this moment; the source is not at fault then."""
    if type(error).__name__ not in ("OperationalError", "InterfaceError") and not hasattr(error, "sqlstate"):
        return False
    if not any(f"{type(error).__module__}.".startswith(f"{name}.") for name in ("django.db", "psycopg", "sqlite3")):
        return False
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(AWAY_CLASSES) or state in AWAY_STATES
    text = str(error).lower()
    return any(words in text for words in AWAY_WORDS) or (
        # psycopg has no SQLSTATE for a connection that broke or was never made.
        type(error).__module__.startswith("psycopg") and type(error).__name__ in ("OperationalError", "InterfaceError")
    )
