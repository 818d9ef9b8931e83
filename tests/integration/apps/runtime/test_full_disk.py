"""A disk that is full, and has space again: what was taken is stored once, what was not is counted, and said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
import structlog

from apps.logs.models import JournalFile, Log, LogRejected
from apps.runtime.models import Runtime, State
from apps.runtime.shipper import Shipper
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

MEGABYTE = 1024 * 1024
LINES = 15_000
WRITER = """
import resource, sys
from dataclasses import asdict
from pathlib import Path
from apps.runtime.process import identify_self
from collectors.toolkit.journal import Journal

folder, run, limit, lines = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
journal = Journal(Path(folder) / run, about=lambda: {"runtime": run, **asdict(identify_self())})
for turn in range(3):
    resource.setrlimit(resource.RLIMIT_FSIZE, ((turn + 1) * limit if limit else -1, -1))
    taken = [n for n in range(lines) if journal.write("log", {"event": f"{turn}.{n} " + n % 50 * "x", "level": 20})]
    print(*taken, flush=True)
    sys.stdin.readline()
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print(journal.write("log", {"event": "at last", "level": 20}), flush=True)
journal.close()
"""


@dataclass
class Disk:
    """A folder that holds about a megabyte until it is made larger."""

    folder: Path
    enlarge: Callable[[int], None]
    limit: int


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of its own; where that may not be made, files of the writer have a limit, which fails alike."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True).returncode:
        yield Disk(folder, lambda megabytes: None, MEGABYTE)
        return

    def enlarge(megabytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={megabytes}m", folder], check=True)

    yield Disk(folder, enlarge, 0)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def run() -> Runtime:
    return make_run(make_app(), State.RUNNING)


def written(disk: Disk, run: Runtime) -> list[list[str]]:
    """Fill the disk three times, twice of them made larger; the texts of what was taken each time."""
    argv = [sys.executable, "-c", WRITER, str(disk.folder), run.pk, str(disk.limit), str(LINES)]
    env = {**os.environ, "PYTHONPATH": "."}
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        turns = []
        for turn in range(3):
            taken = map(int, writer.stdout.readline().split())
            turns.append([f"{turn}.{n} " + n % 50 * "x" for n in taken])
            disk.enlarge(turn + 2)
            writer.stdin.write("\n")
            writer.stdin.flush()
        assert writer.stdout.readline() == "True\n"
    assert writer.returncode == 0
    return turns


def test_a_full_disk_loses_nothing_that_was_taken_and_counts_the_rest(disk: Disk, run: Runtime) -> None:
    turns = written(disk, run)
    assert all(0 < len(taken) < LINES for taken in turns), [len(taken) for taken in turns]

    with structlog.testing.capture_logs() as said:
        assert Shipper(disk.folder).ship_all().is_done

    stored = Log.objects.filter(runtime=run).order_by("line_number")
    assert list(stored.values_list("message", flat=True)) == [*chain.from_iterable(turns), "at last"]
    assert list(stored.values_list("line_number", flat=True)) == list(range(1, stored.count() + 1))
    journal = JournalFile.objects.get()
    assert (journal.dropped, journal.damaged_bytes) == (3 * LINES - sum(map(len, turns)), 0)
    assert not LogRejected.objects.exists()
    alarms = [line for line in said if line["event"] == "journal.lines_dropped"]
    assert sum(line["dropped"] for line in alarms) == journal.dropped
    assert {line["log_level"] for line in alarms} == {"warning"}
