"""Journals into the database: every frame exactly once, whatever happens on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from apps.logs.models import JournalFile, Log, LogRejected
from apps.runtime import shipper as shipper_module
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from apps.runtime.shipper import Shipper
from collectors.toolkit.journal import Journal
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def run() -> Runtime:
    return make_run(make_app(), State.RUNNING)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def open_journal(root: Path, run: Runtime | None, role: str = "collector") -> Journal:
    about = {"runtime": run.pk} if run else {}
    folder = root / (run.pk if run else "platform")
    return Journal(folder, about=lambda: {**about, "role": role, **asdict(identify_self())})


def say(journal: Journal, *numbers: int, **values: Any) -> None:
    for number in numbers:
        journal.write("log", {"event": f"line {number}", "level": 20, "c": {"n": number}, **values})


def stored(run: Runtime | None) -> list[str]:
    return list(Log.objects.filter(runtime=run).order_by("line_number", "id").values_list("message", flat=True))


def lines(*numbers: int) -> list[str]:
    return [f"line {number}" for number in numbers]


def test_lines_become_rows_numbered_without_gaps(root: Path, run: Runtime) -> None:
    journal, shipper = open_journal(root, run), Shipper(root)
    say(journal, 1, 2)
    assert shipper.ship(journal.path).lines == 2
    assert shipper.ship(journal.path).frames == 0
    say(journal, 3)
    journal.close()
    assert shipper.ship(journal.path).is_done
    assert stored(run) == lines(1, 2, 3)
    rows = list(Log.objects.order_by("line_number"))
    assert [(row.line_number, row.seq, row.journal) for row in rows] == [(n, n + 1, journal.id) for n in (1, 2, 3)]
    assert {row.app_id for row in rows} == {run.app_id}
    assert rows[0].context_json == {"n": 1}
    file = JournalFile.objects.get()
    assert (file.pk, file.runtime, file.offset) == (journal.id, run, journal.path.stat().st_size)
    assert file.sealed_at is not None


def test_a_journal_that_is_done_stays_so(root: Path, run: Runtime) -> None:
    journal, shipper = open_journal(root, run), Shipper(root)
    say(journal, 1)
    journal.close()
    assert shipper.ship(journal.path).is_done
    assert shipper.drain(run.pk)


def test_a_line_has_its_columns(root: Path, run: Runtime) -> None:
    journal = open_journal(root, run)
    data = {
        "event": "page.fetched",
        "level": 35,
        "logger": "x" * 300,
        "module": "main",
        "function": "collect",
        "line": 17,
        "thread": "T-1",
        "chain": "a > b",
        "exc": "Traceback\nValueError: x",
        "c": {"url": "http://x/", "deep": {"a": [1, None]}},
    }
    journal.write("log", data, at=1_700_000_000.25)
    Shipper(root).ship(journal.path)
    row = Log.objects.get()
    assert (row.level, row.logger, row.module, row.function, row.source_line) == (30, "x" * 200, "main", "collect", 17)
    assert (row.thread, row.call_chain, row.exception) == ("T-1", "a > b", data["exc"])
    assert row.context_json == data["c"]
    assert row.logged_at.isoformat() == "2023-11-14T22:13:20.250000+00:00"


def test_several_writers_of_one_run_share_its_numbers(root: Path, run: Runtime) -> None:
    first, second = open_journal(root, run), open_journal(root, run, "shim")
    shipper = Shipper(root)
    for number in range(5):
        say(first, number)
        say(second, number)
        shipper.ship_all()
    assert list(Log.objects.order_by("line_number").values_list("line_number", flat=True)) == list(range(1, 11))
    first.close()
    second.close()
    assert shipper.drain(run.pk)


def test_lines_of_the_platform_have_no_run(root: Path) -> None:
    journal = open_journal(root, None, "web")
    say(journal, 1, 2)
    Shipper(root).ship(journal.path)
    assert stored(None) == lines(1, 2)
    assert set(Log.objects.values_list("line_number", flat=True)) == {None}


def test_progress_and_level_counts_reach_the_run(root: Path, run: Runtime) -> None:
    journal, shipper = open_journal(root, run), Shipper(root)
    journal.write("progress", {"solved": 1, "failed": 0, "size": 10, "eta": None})
    say(journal, 1, 2)
    journal.write("progress", {"solved": 4, "failed": 1, "size": 10, "eta": 1_700_000_000})
    shipper.ship(journal.path)
    say(journal, 3, level=40)
    say(journal, 4, level=10)
    shipper.ship(journal.path)
    run.refresh_from_db()
    assert (run.solved, run.failed, run.task_size) == (4, 1, 10)
    assert run.eta_at is not None
    assert run.log_counts == {"INFO": 2, "ERROR": 1, "DEBUG": 1}


def test_viewers_are_woken_after_the_commit_and_only_for_news(root: Path, run: Runtime) -> None:
    woken: list[tuple[list[str], int]] = []
    shipper = Shipper(root, wake=lambda runs: woken.append((list(runs), Log.objects.count())))
    journal = open_journal(root, run)
    say(journal, 1, 2)
    shipper.ship(journal.path)
    shipper.ship(journal.path)
    assert woken == [([run.pk], 2)]


def test_a_shipper_that_dies_before_its_commit_leaves_nothing_half_done(
    root: Path, run: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, shipper = open_journal(root, run), Shipper(root)
    say(journal, 1, 2, 3)

    def die(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Shipper, "_advance", die)
    with pytest.raises(KeyboardInterrupt):
        shipper.ship(journal.path)
    assert stored(run) == []
    monkeypatch.undo()
    Shipper(root).ship(journal.path)
    assert stored(run) == lines(1, 2, 3)
    assert list(Log.objects.order_by("line_number").values_list("line_number", flat=True)) == [1, 2, 3]


def test_a_database_that_is_away_loses_nothing(root: Path, run: Runtime) -> None:
    journal, shipper = open_journal(root, run), Shipper(root)
    say(journal, 1)
    shipper.ship(journal.path)
    say(journal, 2)

    def refuse(*_: Any) -> Any:
        raise OperationalError("away")

    with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
        shipper.ship(journal.path)
    say(journal, 3)
    shipper.ship(journal.path)
    assert stored(run) == lines(1, 2, 3)


def test_shippers_that_race_store_nothing_twice(root: Path, run: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipper_module, "BATCH_BYTES", 2_000)
    journal = open_journal(root, run)
    say(journal, *range(300))
    journal.close()
    together, errors = Barrier(4), []

    def work() -> None:
        try:
            together.wait()
            Shipper(root).ship(journal.path)
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert stored(run) == lines(*range(300))


def test_a_frame_that_the_database_refuses_is_set_aside_and_its_neighbours_are_stored(root: Path, run: Runtime) -> None:
    journal = open_journal(root, run)
    say(journal, *range(7))
    # What no column can hold: moments when there is no calendar any more, and none at all.
    journal.write("log", {"event": "line 7"}, at=1e18)
    journal.write("log", {"event": "line 8"}, at=float("nan"))
    say(journal, *range(9, 20))
    journal.close()
    assert Shipper(root).ship(journal.path).is_done
    assert stored(run) == lines(*(n for n in range(20) if n not in (7, 8)))
    numbers = list(Log.objects.order_by("line_number").values_list("line_number", flat=True))
    assert numbers == list(range(1, 19))
    rejected = LogRejected.objects.order_by("seq")
    assert [row.seq for row in rejected] == [9, 10]
    assert all("line" in row.payload and row.reason for row in rejected)


def test_lines_in_any_order_of_their_fields_are_stored_alike(root: Path, run: Runtime) -> None:
    journal = open_journal(root, run)
    place = {"level": 30, "logger": "source.x", "module": "main", "function": "f", "line": 3, "thread": "T"}
    context = {"url": 'a"},"level":1', "deep": {"c": {"level": 1}}, "text": "\x00"}
    journal.write("log", {"event": "usual", **place, "chain": "A > B", "c": context})
    journal.write("log", {**place, "event": "usual", "c": context, "chain": "A > B"})
    journal.write("log", {"c": context, "chain": "A > B", "event": "usual", **place})
    journal.write("log", {"event": "usual", **place, "chain": "A > B", "c": context, "unheard": "of"})
    journal.write("log", {"event": "usual", **place, "unheard": {"of": 1}, "chain": "A > B", "c": context})
    say(journal, 1)
    journal.close()
    assert Shipper(root).ship(journal.path).is_done
    said = Log.objects.filter(message="usual")
    fields = ("level", "logger", "module", "function", "source_line", "thread", "call_chain", "context_json")
    first, *others = list(said.order_by("line_number").values(*fields))
    assert first["context_json"] == {**context, "text": "\\x00"}
    assert (first["call_chain"], first["source_line"], first["level"]) == ("A > B", 3, 30)
    assert others == [first] * 4
    assert not LogRejected.objects.exists()
    run.refresh_from_db()
    assert run.log_counts == {"WARNING": 5, "INFO": 1}


def test_damage_is_kept_aside_and_counted_and_the_rest_is_stored(root: Path, run: Runtime) -> None:
    journal = open_journal(root, run)
    say(journal, *range(5))
    journal.close()
    data = journal.path.read_bytes()
    place = data.index(b'"line 2"')
    journal.path.write_bytes(data[:place] + b"X" + data[place + 1 :])
    assert Shipper(root).ship(journal.path).is_done
    assert stored(run) == lines(0, 1, 3, 4)
    file = JournalFile.objects.get()
    assert file.damaged_bytes > 50
    assert b'Xline 2"' in journal.path.with_suffix(".damaged").read_bytes()


def dead_writer(root: Path, run: Runtime, script: str) -> Path:
    """A journal whose writer was killed."""
    program = f"""
import os, signal
from dataclasses import asdict
from pathlib import Path
from apps.runtime.process import identify_self
from collectors.toolkit.journal import Journal
journal = Journal(Path({str(root / run.pk)!r}), about=lambda: {{"runtime": {run.pk!r}, **asdict(identify_self())}})
for number in range(10):
    journal.write("log", {{"event": f"line {{number}}", "level": 20}})
{script}
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": "."})
    (path,) = (root / run.pk).glob("*.journal")
    return path


def test_the_journal_of_a_killed_process_is_done_when_its_last_frame_is_stored(root: Path, run: Runtime) -> None:
    path = dead_writer(root, run, "os.write(journal._fd, b'1234abcd {\"torn')")
    shipper = Shipper(root)
    assert shipper.drain(run.pk)
    assert stored(run) == lines(*range(10))
    file = JournalFile.objects.get()
    assert file.sealed_at is not None
    assert file.damaged_bytes == len(b'1234abcd {"torn')
    assert shipper.open_journals() == []
    assert shipper.ship(path).frames == 0


def test_the_journal_of_a_living_process_is_not_done(root: Path, run: Runtime) -> None:
    journal, shipper = open_journal(root, run), Shipper(root)
    say(journal, 1)
    assert not shipper.drain(run.pk)
    journal.close()
    assert shipper.drain(run.pk)


def test_a_gap_that_a_full_disk_left_is_counted(root: Path, run: Runtime) -> None:
    journal = open_journal(root, run)
    journal.write("gap", {"dropped": 12, "since": 1.0})
    Shipper(root).ship(journal.path)
    assert JournalFile.objects.get().dropped == 12


@pytest.mark.parametrize(
    "prepare", [lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"no journal\n")]
)
def test_a_file_that_is_no_journal_holds_up_nobody(root: Path, run: Runtime, prepare: Callable[[Path], int]) -> None:
    (root / "odd").mkdir(parents=True)
    prepare(root / "odd" / "x.journal")
    journal = open_journal(root, run)
    say(journal, 1)
    Shipper(root).ship_all()
    assert stored(run) == lines(1)
    assert JournalFile.objects.count() == 1


def test_lines_of_a_run_whose_row_is_gone_are_kept_as_lines_of_the_platform(root: Path, run: Runtime) -> None:
    journal = open_journal(root, run)
    say(journal, 1)
    run.delete()
    Shipper(root).ship(journal.path)
    assert stored(None) == lines(1)


def test_batches_that_cut_a_frame_in_the_middle_lose_nothing(
    root: Path, run: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(root, run)
    say(journal, *range(50), c={"filler": "y" * 100})
    journal.close()
    for size in (50, 333, 1000):
        monkeypatch.setattr(shipper_module, "BATCH_BYTES", size)
        Log.objects.all().delete()
        JournalFile.objects.all().delete()
        assert Shipper(root).ship(journal.path).is_done
        assert [message.split()[-1] for message in Log.objects.order_by("id").values_list("message", flat=True)] == [
            str(n) for n in range(50)
        ]
