"""One way of saying things: structlog in front, the standard library captured, the journal behind.

    structlog.get_logger("source.shop.books").info("page.fetched", url=url, status=200)

While a journal is attached, every line goes into it by one write. Handlers of the standard library (the console, and
whatever an installation adds) get what is at or above their level as well.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import structlog

from collectors.toolkit.journal.fingerprint import fingerprint
from collectors.toolkit.journal.front import NamedLogger, add_bound, as_meant, error_of, logger_class
from collectors.toolkit.journal.places import Place, Places
from collectors.toolkit.journal.writer import Journal
from collectors.toolkit.profiling.context import CURRENT, call_chain

#: Keys that are columns of a line and not part of its context.
_OWN = frozenset({"event", "exc_info", "stack_info", "level", "logger", "timestamp"})
_JOURNALED = "_journaled"


class LoggingService:
    """Takes lines from structlog and from `logging`, and writes them to the journal that is attached.

    Attaching is for a process: one journal at a time. Nothing here raises into the code that logs.
    """

    def __init__(self) -> None:
        self.journal: Journal | None = None
        self.handler = JournalHandler(self)
        self._others_from = logging.NOTSET
        self.places = Places()

    def configure(self, level: int) -> None:
        """Set structlog up; lines below `level` cost next to nothing."""
        structlog.configure(
            processors=[],
            wrapper_class=logger_class(level, self.say),
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

    def say(self, name: str, level: int, event: Any, values: dict[str, Any], frame: FrameType) -> None:
        """Take a line of structlog: from the logger `name`, said in `frame`.."""
        add_bound(values)
        error = error_of(values["exc_info"]) if "exc_info" in values else None
        journal = self.journal
        if journal is not None:
            chain = "" if CURRENT.get() is None else call_chain()
            place = self.places.of_frame(frame, level, name, threading.current_thread().name, chain)
            context = values if _OWN.isdisjoint(values) else {k: v for k, v in values.items() if k not in _OWN}
            if error is None and level < logging.ERROR and event.__class__ is str:
                journal.write_line(event, place, context)
            else:
                journal.write("log", _line(event, place, context, error), urgent=level >= logging.ERROR)
        for handler in logging.root.handlers:
            if handler.level <= level and handler is not self.handler:
                self._hand_on(name, level, {"event": event, **values}, error)
                break

    def _hand_on(self, name: str, level: int, event: dict[str, Any], error: BaseException | None) -> None:
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

    def createLock(self) -> None:  # noqa: N802 - the name is that of `logging`
        """None: a journal has its own."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        journal = self.service.journal
        if journal is None or _JOURNALED in record.__dict__:
            return
        level, context, error = record.levelno, add_bound({}), error_of(record.exc_info)
        try:
            event = record.getMessage()
            place = self.service.places.of_fields(
                *(level, record.name, record.module, record.funcName or "", record.lineno, record.threadName or "", "")
            )
        except Exception:  # noqa: BLE001 - "%d" % "text", for one
            event, place = as_meant(record.msg, record.args), Place({"level": level, "logger": record.name}, b"")
        else:
            if error is None and level < logging.ERROR:
                journal.write_line(event, place, context, at=record.created)
                return
        data = _line(event, place, context, error)
        journal.write("log", data, at=record.created, urgent=level >= logging.ERROR)


def _line(event: Any, place: Place, context: dict[str, Any], error: BaseException | None) -> dict[str, Any]:
    data = {"event": event, **place.fields}
    if error is not None:
        data["exc"] = "".join(traceback.format_exception(error))
    if error is not None or data["level"] >= logging.ERROR:
        # What makes this error one with others; an event that is no text counts by its type.
        said = event if isinstance(event, str) else type(event).__name__
        data["fp"] = fingerprint(said, error, logger=data["logger"])
    if context:
        data["c"] = context
    return data


#: The service of this process, as `logging` has its root.
service = LoggingService()
