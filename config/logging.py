"""Logging of every process: `collectors.toolkit.journal.service` in front, the console behind."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.typing import Processor

from collectors.toolkit.journal.redaction import Redactor
from collectors.toolkit.journal.service import service

_redactor = Redactor()


def configure(options: dict[str, Any]) -> None:
    """LOGGING_CONFIG: Django calls this with settings.LOGGING, once, in every process."""
    level: int = logging.getLevelNamesMapping()[options["level"]]
    service.configure(level)
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name("console")
    handler.setFormatter(_formatter(options["format"]))
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == "console"]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # One line for every request of a source is noise; what failed is in the error.
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # The clock ticks every second: its going well is worth no line, neither here nor in the database.
    for ticking in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(ticking).setLevel(max(level, logging.WARNING))
    # While the channel layer is away, viewers look by themselves, and the layer need not say so every second.
    logging.getLogger("channels_redis.pubsub").setLevel(logging.CRITICAL + 1)
    # An answer of 403 or 404 is an answer; only what went wrong on our side is worth a traceback.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    # Strangers send any Host header they like; the answer is a 400, and no traceback of ours.
    logging.getLogger("django.security.DisallowedHost").setLevel(logging.CRITICAL + 1)


def _formatter(style: str) -> logging.Formatter:
    pretty = style == "console" or (style == "auto" and sys.stderr.isatty())
    described: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if pretty
        else [structlog.processors.format_exc_info, _masked, structlog.processors.JSONRenderer(default=str)]
    )
    last.append(_masked)
    return structlog.stdlib.ProcessorFormatter(
        processors=[*described, _as_event, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _masked(_logger: Any, _method: str, said: Any) -> Any:
    """The console is a file on many machines: what this process knows to be secret is masked there too.

    Once before a line becomes JSON, which would escape a secret a second time, and once when it is text.
    """
    return _redactor.redact_text(said) if isinstance(said, str) else _redactor.redact(said)


def _as_event(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A line of structlog reaches the console as a record whose message is the whole event."""
    record = event["_record"]
    if isinstance(record.msg, dict):
        event.pop("event")
        event = {**record.msg, **event}
    return event
