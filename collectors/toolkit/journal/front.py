"""What authors call: structlog's loggers, with the shortest way from `log.info(...)` to the journal.

structlog's own way runs a chain of processors and ends it by an exception, for every line. Here its method hands the
line on at once; where processors are configured, as `structlog.testing.capture_logs` does, they get it instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from types import FrameType
from typing import Any, NamedTuple

import structlog
from structlog.typing import BindableLogger

#: The methods of a logger, the usual name of a level last.
LEVELS = {
    "debug": 10,
    "msg": 20,
    "info": 20,
    "warn": 30,
    "warning": 30,
    "exception": 40,
    "err": 40,
    "error": 40,
    "fatal": 50,
    "critical": 50,
}
_PREFIX = structlog.contextvars.STRUCTLOG_KEY_PREFIX

#: Takes a line: who says it, how urgently, what, with which values, and the frame where it is said.
Say = Callable[[str, int, Any, dict[str, Any], FrameType], None]
#: For ordinary code, and for `await`.
Methods = tuple[Callable[..., None], Callable[..., Coroutine[Any, Any, None]]]


class NamedLogger:
    """What structlog wraps: nothing but a name, because the line is written before it would be asked."""

    __slots__ = ("name",)

    def __init__(self, *args: Any) -> None:
        self.name = str(args[0]) if args else "platform"


class Way(NamedTuple):
    """What a method of a logger knows from the beginning."""

    name: str
    level: int
    say: Say


def logger_class(min_level: int, say: Say) -> type[BindableLogger]:
    """A class of loggers that say what is at or above `min_level`; below, a call costs next to nothing."""
    methods: dict[str, Any] = dict(zip(("log", "alog"), _any_level(min_level, say), strict=True))
    for name, level in LEVELS.items():
        if level >= min_level:
            methods[name], methods[f"a{name}"] = _methods(Way(name, level, say))
    return type("Logger", (structlog.make_filtering_bound_logger(min_level),), methods)


def _methods(way: Way) -> Methods:
    """`info` and `ainfo`, for one."""
    level, say = way.level, way.say
    defaults = {"exc_info": True} if way.name == "exception" else {}

    def method(self: Any, event: Any = None, *args: Any, **values: Any) -> None:
        if args or defaults or self._processors:
            _the_long_way(self, way, event, args, {**defaults, **values}, sys._getframe(1))
        else:
            bound = self._context
            say(self._logger.name, level, event, {**bound, **values} if bound else values, sys._getframe(1))

    async def in_async_code(self: Any, event: Any = None, *args: Any, **values: Any) -> None:
        # Another thread, as structlog has it, would cost more than the line, and not know where it is said.
        _the_long_way(self, way, event, args, {**defaults, **values}, sys._getframe(1))

    return method, in_async_code


def _any_level(min_level: int, say: Say) -> Methods:
    def log(self: Any, level: int, event: Any = None, *args: Any, **values: Any) -> None:
        if level >= min_level:
            _the_long_way(self, Way(name_of(level), level, say), event, args, values, sys._getframe(1))

    async def alog(self: Any, level: int, event: Any = None, *args: Any, **values: Any) -> None:
        if level >= min_level:
            _the_long_way(self, Way(name_of(level), level, say), event, args, values, sys._getframe(1))

    return log, alog


def _the_long_way(
    logger: Any, way: Way, event: Any, args: tuple[Any, ...], values: dict[str, Any], frame: FrameType
) -> None:
    if args:
        event = interpolated(event, args)
    if logger._processors:
        logger._proxy_to_logger(way.name, event, **values)
    else:
        way.say(logger._logger.name, way.level, event, {**logger._context, **values}, frame)


def name_of(level: int) -> str:
    """The method of a level, or of the next one below."""
    return next((name for name, known in reversed(LEVELS.items()) if known <= level), "debug")


def interpolated(event: Any, args: tuple[Any, ...]) -> str:
    """The event with its arguments; when they do not fit, as it was meant."""
    try:
        return str(event % (args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args))
    except Exception:  # noqa: BLE001 - "%d" % "text", for one
        return as_meant(event, args)


def as_meant(event: Any, args: Any) -> str:
    """A line whose arguments do not fit its text; never raises."""
    try:
        return f"{event!r} % {args!r}"
    except Exception:  # noqa: BLE001 - an argument without a text is no reason to lose a line
        return f"{event!s} % <arguments without text>" if isinstance(event, str) else "<line without text>"


def error_of(info: Any) -> BaseException | None:
    """The exception that `exc_info` means, in any of its forms."""
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if len(info) > 1 and isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None


def add_bound(values: dict[str, Any]) -> dict[str, Any]:
    """`values` and, behind them, what `structlog.contextvars` has bound here."""
    for variable, value in copy_context().items():
        name = variable.name
        if name.startswith(_PREFIX) and value is not ...:
            values.setdefault(name[len(_PREFIX) :], value)
    return values
