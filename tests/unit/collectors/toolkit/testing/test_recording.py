from __future__ import annotations

import pytest

from collectors.toolkit.testing import LogEntry, RecordingLog, RecordingProgress


def test_the_log_keeps_levels_events_and_values() -> None:
    log = RecordingLog()
    log.debug("a.done", n=1)
    log.info("b.done")
    log.warning("c.done")
    log.error("d.done")

    assert log.entries[0] == LogEntry("debug", "a.done", {"n": 1})
    assert log.events() == ["a.done", "b.done", "c.done", "d.done"]
    assert log.events("warning") == ["c.done"]


def test_a_bound_log_adds_its_values_and_writes_to_the_same_list() -> None:
    log = RecordingLog()
    log.bind(page=1).bind(part="x").info("part.read", part="y")

    assert log.entries == [LogEntry("info", "part.read", {"page": 1, "part": "y"})]
    assert log.bound == {}


def test_an_exception_is_kept_with_its_line() -> None:
    log = RecordingLog()
    error = ValueError("bad")
    try:
        raise error
    except ValueError:
        log.exception("item.failed", item=3)

    assert log.entries == [LogEntry("error", "item.failed", {"item": 3}, error)]


def test_progress_keeps_what_is_not_told() -> None:
    progress = RecordingProgress()
    progress(size=3)
    progress(solved=1)
    progress(solved=1, failed=1)

    assert (progress.solved, progress.failed, progress.size) == (1, 1, 3)
    assert progress.reports == [{"size": 3}, {"solved": 1}, {"solved": 1, "failed": 1}]


def test_progress_takes_names_only() -> None:
    with pytest.raises(TypeError):
        RecordingProgress()(1)  # type: ignore[call-arg]
