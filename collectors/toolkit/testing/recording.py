"""Doubles that remember what they were told: the log and the progress of a run."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log."""

    level: str
    event: str
    values: dict[str, Any]
    error: BaseException | None = None
    """What was being handled when `log.exception` was called."""


@dataclass(slots=True)
class RecordingLog:
    """A log that keeps its lines in `entries`; logs bound from it write to the same list."""

    entries: list[LogEntry] = field(default_factory=list)
    bound: dict[str, Any] = field(default_factory=dict)

    def debug(self, event: str, **values: Any) -> None:
        self._add("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        self._add("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        self._add("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        self._add("error", event, values)

    def exception(self, event: str, **values: Any) -> None:
        self._add("error", event, values, sys.exception())

    def bind(self, **values: Any) -> RecordingLog:
        return RecordingLog(self.entries, {**self.bound, **values})

    def events(self, level: str | None = None) -> list[str]:
        """The names of what was logged, in order; with `level`, only those."""
        return [entry.event for entry in self.entries if level in (None, entry.level)]

    def _add(self, level: str, event: str, values: dict[str, Any], error: BaseException | None = None) -> None:
        self.entries.append(LogEntry(level, event, {**self.bound, **values}, error))


@dataclass(slots=True)
class RecordingProgress:
    """Progress as it stands, and every report that led there in `reports`."""

    solved: int = 0
    failed: int = 0
    size: int | None = None
    """None: the source never said."""
    reports: list[dict[str, int]] = field(default_factory=list)

    def __call__(self, *, solved: int | None = None, failed: int | None = None, size: int | None = None) -> None:
        self.solved = self.solved if solved is None else solved
        self.failed = self.failed if failed is None else failed
        self.size = self.size if size is None else size
        told = {"solved": solved, "failed": failed, "size": size}
        self.reports.append({name: value for name, value in told.items() if value is not None})
