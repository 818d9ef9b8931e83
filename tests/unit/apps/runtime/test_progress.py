"""A run that somebody else ships says its progress without a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.runtime.pulse import ProgressTeller
from collectors.toolkit.journal import Journal, read_frames


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path, about=dict, ticking=False)
    yield journal
    journal.close()


def said(journal: Journal) -> list[tuple[int, int | None]]:
    return [(f.data["solved"], f.data["size"]) for f in read_frames(journal.path).frames if f.kind == "progress"]


def test_what_is_reported_is_said_at_once_and_then_once_a_second(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("apps.runtime.pulse.time.monotonic", lambda: now[0])
    progress = ProgressTeller(journal)
    progress(size=10)
    progress(solved=1)
    assert said(journal) == [(0, 10)]
    now[0] += 1
    progress(solved=2)
    assert said(journal) == [(0, 10), (2, 10)]


def test_the_journal_says_what_was_left_unsaid(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("apps.runtime.pulse.time.monotonic", lambda: now[0])
    with ProgressTeller(journal) as progress:
        progress(size=10)
        progress(solved=1)
        assert journal.each_second is not None
        now[0] += 0.9
        journal.each_second()
        journal.each_second()
        assert said(journal) == [(0, 10), (1, 10)]
    assert journal.each_second is None


def test_a_journal_has_a_thread_only_where_nobody_else_forces_it_to_disk(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    silent = Journal(tmp_path, about=dict, ticking=False)
    assert set(threading.enumerate()) <= before
    ticking = Journal(tmp_path, about=dict)
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["journal"]
    for journal in (silent, ticking):
        journal.close()
