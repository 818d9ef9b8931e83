"""The contract between the platform and the people who write sources.

Frozen within a major version: `tests/compat/` holds sources written against the first version, and they run unchanged
in the test suite. Everything here is plain Python. The platform hands in the implementations
(`apps/runtime/wiring.py`); the testing kit (`collectors/toolkit/testing`) hands in doubles that need neither a database
nor a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, overload

from collectors.captcha_solver import CaptchaSolver, NoCaptcha, SolvedCaptcha
from collectors.http_client import HTTPClient, Proxies, ProxyLease, no_proxies
from collectors.identity import AppInfo
from collectors.queues import Queues, no_queues
from collectors.stores import Called, Database, Databases, MergeResult, Missing, Record, RecordStore, no_databases

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "AppInfo",
    "Called",
    "CaptchaSolver",
    "Clients",
    "Collector",
    "Context",
    "Database",
    "Databases",
    "Ending",
    "Failure",
    "HTTPClient",
    "Logger",
    "MergeResult",
    "Missing",
    "Outcome",
    "ProgressReport",
    "Proxies",
    "ProxyLease",
    "Queues",
    "Record",
    "RecordStore",
    "Secrets",
    "SolvedCaptcha",
    "StopSignal",
]


class Ending(StrEnum):
    """How a source says its run ended. Signals, time limits and crashes are the platform's to say."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a source hands back when it is done."""

    ending: Ending = Ending.SUCCEEDED
    cause: str = ""
    """One sentence for people; empty when there is nothing to explain."""
    complete: bool = True
    """False when the run did not see everything there is to see: it was limited, stopped, aborted, or items failed."""
    next_run: datetime | None = None
    """When the app is to run next, with a time zone; None leaves that to its schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Outcome):
    """What a source hands back when it gave up; more is known of it than that it failed."""

    ending: Ending = Ending.FAILED
    complete: bool = False
    category: str = ""
    """What kind of error it was: http, proxy, captcha, parse, io, database, unknown."""
    is_blocked: bool = False
    """Running again is pointless until a person has repaired something: the app is disabled at once."""


class ProgressReport(Protocol):
    """`context.progress(...)`: how far the run is. Values are totals, not increments; None leaves one as it was."""

    def __call__(self, *, solved: int | None = None, failed: int | None = None, size: int | None = None) -> None: ...


class Logger(Protocol):
    """`context.log`: `log.info("page.fetched", url=..., status=200)`; event names are dotted and past tense."""

    def debug(self, event: str, **values: Any) -> Any: ...

    def info(self, event: str, **values: Any) -> Any: ...

    def warning(self, event: str, **values: Any) -> Any: ...

    def error(self, event: str, **values: Any) -> Any: ...

    def exception(self, event: str, **values: Any) -> Any: ...

    def bind(self, **values: Any) -> Logger: ...


class Clients(Protocol):
    """Hands out HTTP clients."""

    def current(self) -> HTTPClient:
        """The client of the calling thread; made on first use."""
        ...


class Secrets(Protocol):
    """The credentials of the app: `context.secrets["api_token"]`. Iterating gives names; no value is ever printed."""

    def __getitem__(self, name: str, /) -> str:
        """The value. Raises `toolkit.errors.MissingSecret`, a blocker, when the app has none of that name."""
        ...

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str, /) -> str: ...
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...


def _no_secrets() -> Secrets:
    none: dict[str, str] = {}
    return none


def _nothing_to_leave() -> None:
    """Outside of the platform a thread holds nothing."""


class StopSignal(Protocol):
    """Whether somebody asked the run to stop; `threading.Event` is one."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """All that a source gets from the platform."""

    args: Any
    """The validated arguments: an instance of the source's `Args`, or an empty dict when it declares none."""
    app: AppInfo
    runtime_id: str
    limit: int | None
    """Collect at most so many items; None means all of them."""
    dry_run: bool
    """Nothing is written; the record store enforces it."""
    log: Logger
    records: RecordStore
    progress: ProgressReport
    clients: Clients
    stop: StopSignal
    secrets: Secrets = field(default_factory=_no_secrets)
    databases: Databases = no_databases
    captcha: CaptchaSolver = field(default_factory=NoCaptcha)
    proxies: Proxies = no_proxies
    queues: Queues = no_queues
    leave_thread: Callable[[], object] = _nothing_to_leave
    """Lets go of what the platform holds for the calling thread, such as its connections: the last thing it does."""

    @property
    def request(self) -> HTTPClient:
        """The HTTP client of the calling thread."""
        return self.clients.current()

    def database(self, alias: str, *, timeout_s: float | None = None) -> Database:
        """The database of the connection `alias`, as in `context.database("warehouse").query("SELECT ...")`.

        A statement that takes longer than `timeout_s` (ten minutes) is ended. Raises
        `toolkit.database.UnknownDatabase`.
        """
        return self.databases(alias, timeout_s=timeout_s)

    @property
    def stop_requested(self) -> bool:
        """True once somebody asked the run to stop; long loops look at it."""
        return self.stop.is_set()


class Collector(Protocol):
    """What the platform runs: a class with these two is a source, whatever else it is."""

    Args: ClassVar[type[BaseModel] | None]

    def __init__(self, context: Context) -> None: ...

    def run(self) -> Outcome: ...
