"""`manage.py journal` as an operator meets it."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from apps.accounts.models import AuditEntry
from apps.logs.models import Log
from apps.runtime.journals import journal_root, open_journal
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from collectors.toolkit.journal import Journal, read_frames
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def run(settings: Any, tmp_path: Path) -> Runtime:
    settings.DC_DATA_DIR = tmp_path
    return make_run(make_app(), State.RUNNING)


def journal(*argv: str) -> str:
    out = io.StringIO()
    call_command("journal", *argv, stdout=out)
    return out.getvalue()


def test_status_names_what_is_not_in_the_database_and_replay_brings_it_in(run: Runtime) -> None:
    assert "0 journals" in journal("status")
    writer = open_journal(run)
    for number in range(3):
        writer.write("log", {"event": f"line {number}", "level": 20})
    writer.close()
    size = writer.path.stat().st_size
    said = journal("status")
    assert f"{run.pk}/{writer.id}.journal  not shipped yet  {size} of {size} bytes to ship" in said
    assert "5 frames shipped, 3 of them log lines." in journal("replay")
    assert Log.objects.count() == 3
    entry = AuditEntry.objects.get(action="journals.replayed", source="SHELL")
    assert entry.details == {"frames": 5, "lines": 3}
    assert "1 journals below" in journal("status")
    assert "0 of them not done; 0 bytes to ship." in journal("status")
    (row,) = json.loads(journal("status", "--json"))
    assert (row["backlog"], row["is_done"], row["role"]) == (0, True, "collector")


def test_a_living_writer_is_said_to_be_not_done(run: Runtime) -> None:
    writer = open_journal(run)
    writer.write("log", {"event": "line", "level": 20})
    assert "Some journals are not done" in journal("replay")


def test_repair_cuts_the_torn_end_of_a_dead_writer_and_keeps_it(run: Runtime) -> None:
    dead = {**asdict(identify_self()), "pid_started": 1, "runtime": run.pk}
    writer = Journal(journal_root() / run.pk, about=lambda: dead)
    writer.write("log", {"event": "line", "level": 20})
    whole = writer.path.read_bytes()
    writer.path.write_bytes(whole + b"0badc0de {torn")
    assert f"{run.pk}/{writer.id}.journal: 14 bytes cut off" in journal("repair")
    assert writer.path.read_bytes() == whole
    assert b"0badc0de {torn" in writer.path.with_suffix(".damaged").read_bytes()
    assert "0 journals repaired." in journal("repair")
    entry = AuditEntry.objects.get(action="journals.repaired", source="SHELL")
    assert list(entry.details["cut"].values()) == [14]


def test_repair_leaves_a_living_writer_alone(run: Runtime) -> None:
    writer = open_journal(run)
    with writer.path.open("ab") as file:
        file.write(b"half a fra")
    assert "0 journals repaired." in journal("repair")
    assert read_frames(writer.path).pending == 10


def test_without_a_database_it_says_so(run: Runtime) -> None:
    def refuse(*_: Any) -> Any:
        raise OperationalError("connection refused\nIs the server running?")

    with connection.execute_wrapper(refuse), pytest.raises(CommandError) as caught:
        journal("status")
    assert str(caught.value) == "The platform's database cannot be used: connection refused"
