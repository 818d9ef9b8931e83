"""The rehearsal goes through a whole run, asks no database (these tests have none), and leaves nothing behind."""

from __future__ import annotations

import signal
import tempfile
import threading
from pathlib import Path

import pytest

from apps.runtime import rehearsal
from apps.runtime.models import State
from apps.runtime.rehearsal import RehearsalFailed, rehearse
from apps.runtime.runner import End
from collectors.toolkit.journal import read_frames


@pytest.fixture
def _briefly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rehearsal, "ROUNDS", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.usefixtures("_briefly")
def test_it_leaves_no_thread_no_file_and_no_handler(tmp_path: Path) -> None:
    before, handler = set(threading.enumerate()), signal.getsignal(signal.SIGTERM)
    rehearse()
    assert set(threading.enumerate()) <= before
    assert signal.getsignal(signal.SIGTERM) is handler
    assert list(tmp_path.iterdir()) == []


def test_it_plays_a_run_to_its_end(tmp_path: Path) -> None:
    rehearsal._play(tmp_path)
    [path] = tmp_path.glob("*.journal")
    frames = read_frames(path).frames
    assert [frame.data["event"] for frame in frames if frame.kind == "log"].count("page.rehearsed") == 2
    [end] = [frame.data for frame in frames if frame.kind == "end"]
    assert (end["state"], end["solved"]) == ("SUCCEEDED", 2)


@pytest.mark.usefixtures("_briefly")
def test_a_run_that_cannot_be_played_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "perform", lambda *_, **__: (End(State.FAILED, "No air."), {}))
    with pytest.raises(RehearsalFailed, match="FAILED: No air"):
        rehearse()
