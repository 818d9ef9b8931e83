"""One way of saying things: structlog in front, the standard library captured, the journal behind.

    structlog.get_logger("source.shop.books").info("page.fetched", url=url, status=200)

While a journal is attached, every line goes into it by one write. Handlers of the standard library (the console, and
whatever an installation adds) get what is at or above their level as well.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import PurePath
from types import CodeType
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from collectors.toolkit.journal.fingerprint import fingerprint
from collectors.toolkit.journal.writer import Journal
from collectors.toolkit.profiling.context import CURRENT, call_chain

_LEVELS = {
    "debug": 10,
    "info": 20,
    "warning": 30,
    "warn": 30,
    "error": 40,
    "err": 40,
    "exception": 40,
    "critical": 50,
    "fatal": 50,
}
#: Keys that are columns of a line and not part of its context.
_OWN = frozenset({"event", "exc_info", "stack_info", "level", "logger", "timestamp"})
_JOURNALED = "_journaled"


class NamedLogger:
    """What structlog wraps: nothing but a name, because the line is written before it would be asked."""

    __slots__ = ("name",)

    def __init__(self, *args: Any) -> None:
        self.name = str(args[0]) if args else "platform"


class LoggingService:
    """Takes lines from structlog and from `logging`, and writes them to the journal that is attached.

    Attaching is for a process: one journal at a time. Nothing here raises into the code that logs.
    """

    def __init__(self) -> None:
        self.journal: Journal | None = None
        self.handler = JournalHandler(self)
        self._others_from = logging.NOTSET
        self._places: dict[CodeType, tuple[str, str]] = {}

    def configure(self, level: int) -> None:
        """Set structlog up; lines below `level` cost next to nothing."""
        structlog.configure(
            processors=[structlog.contextvars.merge_contextvars, self.route],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=NamedLogger,
            cache_logger_on_first_use=True,
        )

    @contextmanager
    def writing_to(self, journal: Journal) -> Iterator[Journal]:
        """Attach a journal for the length of a block; records of the standard library go there too."""
        root = logging.getLogger()
        before, self.journal = self.journal, journal
        root.addHandler(self.handler)
        try:
            yield journal
        finally:
            self.journal = before
            if before is None:
                root.removeHandler(self.handler)

    def route(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """The last processor of structlog."""
        level = _LEVELS.get(method, logging.INFO)
        journal = self.journal
        error = _error(event.get("exc_info")) if "exc_info" in event else None
        if journal is not None:
            place, line = self._caller()
            journal.write("log", self._line(event, level, logger.name, place, line, error), urgent=level >= 40)
        for handler in logging.root.handlers:
            if handler.level <= level and handler is not self.handler:
                self._hand_on(logger.name, level, event, error)
                break
        raise structlog.DropEvent

    def _line(
        self,
        event: MutableMapping[str, Any],
        level: int,
        name: str,
        place: tuple[str, str],
        line: int,
        error: BaseException | None,
    ) -> dict[str, Any]:
        data = {
            "event": event.get("event", ""),
            "level": level,
            "logger": name,
            "module": place[0],
            "function": place[1],
            "line": line,
            "thread": threading.current_thread().name,
        }
        if CURRENT.get() is not None:
            data["chain"] = call_chain()
        if error is not None:
            data["exc"] = "".join(traceback.format_exception(error))
        if error is not None or level >= logging.ERROR:
            data["fp"] = _fingerprint(data["event"], error, name)
        context = {key: value for key, value in event.items() if key not in _OWN}
        if context:
            data["c"] = context
        return data

    def _caller(self) -> tuple[tuple[str, str], int]:
        """Where the line was said: the first frame outside of structlog."""
        # Above us stand route and at least three functions of structlog.
        frame = sys._getframe(5)
        while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("structlog"):
            frame = frame.f_back
        code = frame.f_code
        place = self._places.get(code)
        if place is None:
            place = self._places[code] = (PurePath(code.co_filename).stem, code.co_name)
        return place, frame.f_lineno

    def _hand_on(self, name: str, level: int, event: EventDict, error: BaseException | None) -> None:
        """To the handlers of the standard library."""
        logger = logging.getLogger(name)
        if not logger.isEnabledFor(level):
            return
        info = (type(error), error, error.__traceback__) if error is not None else None
        values = {key: value for key, value in event.items() if key != "exc_info"}
        record = logger.makeRecord(name, level, "", 0, values, (), info, extra={_JOURNALED: True})
        logger.handle(record)


class JournalHandler(logging.Handler):
    """Records of the standard library, into the journal of a service."""

    def __init__(self, service: LoggingService) -> None:
        super().__init__()
        self.service = service

    def emit(self, record: logging.LogRecord) -> None:
        journal = self.service.journal
        if journal is None or getattr(record, _JOURNALED, False):
            return
        try:
            data = {
                "event": record.getMessage(),
                "level": record.levelno,
                "logger": record.name,
                "module": record.module,
                "function": record.funcName or "",
                "line": record.lineno,
                "thread": record.threadName or "",
            }
            error = record.exc_info[1] if record.exc_info else None
            if error is not None:
                data["exc"] = "".join(traceback.format_exception(error))
            if error is not None or record.levelno >= logging.ERROR:
                data["fp"] = _fingerprint(data["event"], error, record.name)
        except Exception:  # noqa: BLE001 - "%d" % "text", for one: the line is kept as it was meant
            data = {"event": f"{record.msg!r} % {record.args!r}", "level": record.levelno, "logger": record.name}
            if record.levelno >= logging.ERROR:
                data["fp"] = _fingerprint(record.msg, None, record.name)
        context = structlog.contextvars.get_contextvars()
        if context:
            data["c"] = context
        journal.write("log", data, at=record.created, urgent=record.levelno >= logging.ERROR)


def _fingerprint(event: Any, error: BaseException | None, logger: str) -> str:
    """What makes this error one with others; an event that is no text counts by its type."""
    return fingerprint(event if isinstance(event, str) else type(event).__name__, error, logger=logger)


def _error(info: Any) -> BaseException | None:
    """The exception that `exc_info` means, in any of its forms."""
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if len(info) > 1 and isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None


#: The service of this process, as `logging` has its root.
service = LoggingService()
