"""Retention: what is old goes, what is live stays, and a look shows the same as a sweep deletes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.logs.group_models import ErrorGroup
from apps.logs.indexing import LINES, index_chunks
from apps.logs.models import JournalFile, Log, LogRejected, LogSequence, SinkCursor
from apps.logs.retention_models import SweptTable
from apps.logs.search import Filters, search
from apps.logs.search_models import LogChunk
from apps.notifications.models import Channel, Delivery
from apps.quality.models import Dataset, LetThrough, Measurement, QuarantinedRow
from apps.runtime import sweep as sweep_module
from apps.runtime import tasks
from apps.runtime.ending import end_run
from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.journals import journal_root, open_journal
from apps.runtime.lifecycle import purge_app
from apps.runtime.models import Command, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import identify_self, node_name
from apps.runtime.services import issue_command
from apps.runtime.shipper import Shipper
from apps.runtime.sweep import measure, sweep
from apps.runtime.sweep_journals import Swept, sweep_journals
from collectors.toolkit.journal import Journal
from tests.integration.factories import make_app, make_node, make_run
from tests.integration.people import make_person

pytestmark = pytest.mark.django_db(databases="__all__")

NOW = utc_now()
Say = Callable[..., None]


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> None:
    settings.DC_DATA_DIR = tmp_path


def days(count: float) -> Any:
    return NOW - timedelta(days=count)


def say(count: int, *, age: float = 0, **values: Any) -> None:
    Log.objects.bulk_create([Log(message=f"{age} days old", logged_at=days(age), **values) for _ in range(count)])


def ended(age: float, **values: Any) -> Runtime:
    run = make_run(make_app(), State.FAILED, ended_at=days(age), **values)
    Runtime.objects.filter(pk=run.pk).update(queued_at=days(age))
    return run


def due() -> dict[str, int]:
    return {table.name: table.due_count for table in measure(now=NOW) if table.due_count}


def swept(**options: Any) -> dict[str, int]:
    result = sweep(now=NOW, sleep=lambda _seconds: None, **options)
    assert result.is_done
    return {name: count for name, count in result.deleted.items() if count}


def test_lines_go_by_their_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "BATCH", 100)
    say(250, age=91)
    say(30, age=89)
    say(1)

    assert due() == {"lines": 250}
    assert Log.objects.count() == 281
    assert swept() == {"lines": 250}
    assert Log.objects.count() == 31
    assert due() == {}


def test_a_line_from_the_future_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "BATCH", 10)
    say(5, age=-3000)
    say(20, age=100)

    assert due() == swept() == {"lines": 20}
    assert Log.objects.count() == 5


def test_more_lines_than_are_allowed_go_the_oldest_first(settings: Any) -> None:
    settings.DC_RETENTION_LOGS_MAX_ROWS = 100
    say(150, age=2)
    say(50, age=1)

    assert due() == swept() == {"lines": 100}
    assert Log.objects.filter(message="1 days old").count() == 50


def test_nothing_goes_where_everything_is_kept(settings: Any) -> None:
    settings.DC_RETENTION_LOGS_DAYS = settings.DC_RETENTION_RUNS_DAYS = settings.DC_RETENTION_COMMANDS_DAYS = 0
    say(3, age=5_000)
    ended(5_000)

    assert due() == swept() == {}
    rules = SweptTable.objects.exclude(name="apps to be removed").values_list("rule", flat=True)
    assert set(rules) == {"for ever"}


def test_the_search_forgets_lines_that_are_gone() -> None:
    say(4 * LINES, age=100)
    say(2 * LINES)
    index_chunks(30)
    swept()

    assert LogChunk.objects.count() == 2
    page = search(Filters(texts=("days old",)), limit=10_000, budget_s=30)
    assert len(page.lines) == 2 * LINES
    say(2 * LINES)
    index_chunks(30)
    assert LogChunk.objects.count() == 4


def test_runs_go_with_everything_that_is_theirs_and_live_ones_never() -> None:
    old, young = ended(181), ended(179)
    live = make_run(make_app("shop.live.one"), State.RUNNING)
    queued = make_run(make_app("shop.queued.one"))
    Runtime.objects.filter(pk__in=[live.pk, queued.pk]).update(queued_at=days(1_000))
    for run in (old, young, live):
        say(3, runtime=run, app=run.app, line_number=None)
        LogSequence.objects.create(runtime=run, last_line=3)
    command = issue_command(live.app, Command.Verb.STOP, source=Command.Source.SHELL, runtime=live)
    (journal_root() / old.pk).mkdir(parents=True)
    (journal_root() / old.pk / "left.journal").touch()

    assert due() == swept() == {"runs": 1}
    assert set(Runtime.objects.all()) == {young, live, queued}
    assert Log.objects.filter(runtime=old.pk).count() == 0
    assert Log.objects.filter(runtime=live.pk).count() == 3
    assert LogSequence.objects.count() == 2
    assert not (journal_root() / old.pk).exists()
    command.refresh_from_db()
    assert command.runtime == live


def test_more_runs_than_are_allowed_go_but_none_whose_journal_may_be_on_disk(settings: Any) -> None:
    settings.DC_RETENTION_RUNS_MAX_ROWS = 2
    for age in (30, 20, 10, 3, 1):
        ended(age)

    assert due() == swept() == {"runs": 3}
    assert Runtime.objects.count() == 2
    settings.DC_RETENTION_RUNS_MAX_ROWS = 1
    assert swept() == {}


def test_commands_and_function_rows_go_by_their_own_rules() -> None:
    app = make_app()
    run = ended(10)
    for age in (366, 364):
        command = issue_command(app, Command.Verb.STOP, source=Command.Source.SHELL)
        Command.objects.filter(pk=command.pk).update(finished_at=days(age), state=Command.Progress.NOT_EXECUTED)
    function = AppFunction.objects.create(
        app=app, identity="f", qualified_name="f", module="m", first_seen_at=days(100), last_seen_at=NOW
    )
    FunctionLog.objects.create(function=function, runtime=run, first_start_at=days(95), last_end_at=days(91))

    assert due() == swept() == {"commands": 1, "functions in runs": 1}
    assert AppFunction.objects.exists()


def test_messages_go_as_late_as_commands() -> None:
    channel = Channel.objects.create(name="one", service="WEBHOOK")
    for age in (366, 364):
        Delivery.objects.create(channel=channel, kind="FAILED", subject=f"{age}", created_at=days(age))
    assert due() == swept() == {"messages": 1}
    assert Delivery.objects.get().subject == "364"


def test_what_quality_found_goes_as_late_as_runs_and_rows_in_quarantine_stay() -> None:
    dataset = Dataset.objects.create(label="shop_books.book", outcome="pass", runtime="a" * 32, judged_at=NOW)
    person = make_person("operator")
    for age, state in ((181, "DISCARDED"), (179, "REPLAYED"), (400, "HELD")):
        about = {"dataset": dataset, "runtime": f"{age:032}", "merge": 1}
        Measurement.objects.create(**about, at=days(age), outcome="pass")
        settled_at = None if state == "HELD" else days(age)
        QuarantinedRow.objects.create(
            **about, row=1, rule="length", reason="too long", payload="{}", digest="d", state=state,
            quarantined_at=days(age), settled_at=settled_at,
        )  # fmt: skip
    for age, used_at in ((366, None), (364, NOW)):
        LetThrough.objects.create(
            dataset=dataset.label, granted_by=person, granted_name="operator", granted_at=days(age + 7),
            expires_at=days(age), used_at=used_at,
        )  # fmt: skip

    expected = {"measurements of quality": 2, "rows out of quarantine": 1, "merges let through": 1}
    assert due() == swept() == expected
    assert {row.state for row in QuarantinedRow.objects.all()} == {"HELD", "REPLAYED"}


def test_errors_and_refused_frames_go_when_their_lines_have() -> None:
    journal = JournalFile.objects.create(id="a" * 32, role="web", node="n", path="p", created_at=NOW, sealed_at=NOW)
    for age, seq in ((91, 1), (1, 2)):
        LogRejected.objects.create(journal=journal, seq=seq, kind="log", payload="", reason="", rejected_at=days(age))
        seen = {"first_seen_at": days(age), "last_seen_at": days(age)}
        ErrorGroup.objects.create(fingerprint=f"{seq:032}", title="x", level=40, **seen)
    JournalFile.objects.create(id="b" * 32, role="web", node="n", path="q", created_at=NOW, sealed_at=days(91))

    assert due() == swept() == {"refused frames": 1, "error groups": 1, "journals without a run": 1}


def test_a_sweep_pauses_between_batches_and_can_be_done_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "BATCH", 10)
    say(50, age=100)
    measure(now=NOW)
    pauses: list[float] = []
    slices = 0
    while not sweep(now=NOW, sleep=pauses.append, max_seconds=0).is_done:
        slices += 1
    assert slices == 5
    table = SweptTable.objects.get(name="lines")
    assert (table.deleted_count, table.swept_at) == (50, NOW)

    say(50, age=100)
    sweep(now=NOW, sleep=pauses.append)
    assert len(pauses) == 5
    assert min(pauses) >= 0.05


def test_the_cost_of_a_table_is_known() -> None:
    say(1_000)
    (lines,) = [table for table in measure(now=NOW) if table.name == "lines"]

    assert lines.row_count == 1_000
    assert lines.bytes is not None
    assert lines.bytes > 50_000


# -- Journals ----------------------------------------------------------------------------------------------------------


def journal_of(run: Runtime, *, sealed_days_ago: float | None, is_shipped: bool = True) -> Journal:
    journal = open_journal(run)
    journal.write("log", {"event": "said", "level": 20})
    if sealed_days_ago is not None:
        journal.close()
    if is_shipped:
        Shipper(journal_root()).ship(journal.path)
        if sealed_days_ago is not None:
            JournalFile.objects.filter(pk=journal.id).update(sealed_at=days(sealed_days_ago))
    return journal


def test_journals_go_when_everybody_has_had_them_for_a_week() -> None:
    run = ended(10)
    old = journal_of(run, sealed_days_ago=8)
    old.path.with_suffix(".damaged").write_bytes(b"x")
    size = old.path.stat().st_size + 1
    kept = [
        journal_of(run, sealed_days_ago=6),
        journal_of(run, sealed_days_ago=8, is_shipped=False),
        journal_of(run, sealed_days_ago=None),
    ]

    assert sweep_journals(journal_root(), now=NOW, is_real=False) == Swept(1, size)
    assert old.path.exists()
    assert sweep_journals(journal_root(), now=NOW) == Swept(1, size)
    assert set(journal_root().glob("*/*")) == {journal.path for journal in kept}
    assert sweep_journals(journal_root(), now=NOW) == Swept(0, 0)
    kept[2].close()


def test_a_journal_that_a_sink_waits_for_is_kept_as_long_as_lines_are(settings: Any) -> None:
    settings.DC_SPLUNK_URL = "https://splunk.example:8088"
    run = ended(10)
    waiting, sent, hopeless = (journal_of(run, sealed_days_ago=age) for age in (30, 30, 91))
    SinkCursor.objects.create(journal_id=waiting.id, sink="splunk", is_done=False)
    SinkCursor.objects.create(journal_id=sent.id, sink="splunk", is_done=True)
    sweep_journals(journal_root(), now=NOW)

    assert waiting.path.exists()
    assert not sent.path.exists()
    assert not hopeless.path.exists()


def test_the_folder_of_a_run_goes_with_its_last_journal() -> None:
    run = ended(10)
    journal_of(run, sealed_days_ago=8)
    sweep_journals(journal_root(), now=NOW)

    assert list(journal_root().iterdir()) == []
    assert JournalFile.objects.filter(runtime=run).exists()  # so that nobody ships it once more


# -- The command and the tasks ---------------------------------------------------------------------------------------


def printed(*options: str) -> list[str]:
    out = StringIO()
    call_command("sweep", *options, stdout=out)
    return out.getvalue().splitlines()


@pytest.mark.usefixtures("_quick")
def test_the_command_prints_the_same_numbers_whether_it_deletes_or_not() -> None:
    say(250, age=91)
    say(10)
    journal_of(ended(181), sealed_days_ago=8)
    looked = printed("--dry-run")
    assert looked[-1] == "Nothing was deleted. A sweep now deletes 251 rows and 1 files."
    assert Log.objects.count() == 261
    assert not AuditEntry.objects.exists()
    deleted = printed()

    entry = AuditEntry.objects.get(action="platform.swept", source="SHELL")
    assert (sum(entry.details["deleted"].values()), entry.details["files"]) == (251, 1)
    assert looked[:-1] == deleted[:-1]
    assert deleted[-1] == "Deleted 251 rows and 1 files."
    assert Log.objects.count() == 10
    (lines,) = [text for text in looked if text.startswith("lines")]
    assert lines.split()[:2] == ["lines", "261"]
    assert lines.split()[-3:] == ["250", "90", "days"]
    assert any(text.startswith(f"journals of {node_name()}"[:22]) for text in looked)
    assert max(map(len, looked)) <= 100


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.runtime.sweep.time.sleep", lambda _seconds: None)


def test_runtime_sweep_works_in_slices_and_looks_ahead_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tasks.sweep_old.name == "runtime.sweep"
    monkeypatch.setattr(sweep_module, "BATCH", 100)
    monkeypatch.setattr(tasks, "SLICE_S", 0)
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(tasks.sweep_old, "delay", lambda *args: sent.append(args))
    say(150, age=91)
    say(40, age=89.5)
    tasks.sweep_old.apply(throw=True)
    turns = 0
    while sent and turns < 10:
        turns += 1
        tasks.sweep_old.apply(args=sent.pop(), throw=True)

    assert Log.objects.count() == 40
    assert turns == 2
    lines = SweptTable.objects.get(name="lines")
    assert (lines.row_count, lines.due_count) == (40, 40)


def test_runtime_index_logs_goes_on_while_there_is_something_to_index(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tasks.index_logs.name == "runtime.index_logs"
    again: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.index_logs, "apply_async", lambda **options: again.append(options))
    say(LINES)
    tasks.index_logs.run()
    tasks.index_logs.run()

    assert LogChunk.objects.count() == 1
    assert len(again) == 1


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite can be built without it")
def test_without_dbstat_the_size_is_unknown_and_the_rest_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.runtime.table_size._SQLITE", "SELECT sum(pgsize) FROM no_such_table WHERE %s")

    assert {table.bytes for table in measure(now=NOW)} == {None}


def test_managers_that_ended_go_when_no_run_and_no_command_names_them() -> None:
    long_ago = utc_now() - timedelta(days=400)
    gone, named, asked, fresh, _alive = (make_node(host=name) for name in ("gone", "named", "asked", "fresh", "alive"))
    Node.objects.filter(pk__in=[gone.pk, named.pk, asked.pk]).update(ended_at=long_ago)
    Node.objects.filter(pk=fresh.pk).update(ended_at=utc_now())
    app = make_app()
    make_run(app, State.SUCCEEDED, owner=named)
    Command.objects.filter(pk=issue_command(app, Command.Verb.DISABLE, source=Command.Source.SHELL).pk).update(
        claimed_by=asked
    )
    (row,) = [table for table in measure(now=utc_now()) if table.name == "managers that ended"]
    assert (row.row_count, row.due_count) == (5, 1)
    assert swept()["managers that ended"] == 1
    assert set(Node.objects.values_list("host", flat=True)) == {"named", "asked", "fresh", "alive"}


def test_audit_entries_go_as_late_as_commands() -> None:
    for days in (300, 400):
        record("app.purged", f"a.b.{days}", source="SHELL", now=utc_now() - timedelta(days=days))
    assert swept()["audit entries"] == 1
    assert AuditEntry.objects.get().subject == "a.b.300"


def test_the_file_of_a_removed_run_is_not_shipped_again_by_the_machine_that_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, there = make_run(make_app(), State.RUNNING), tmp_path / "there"
    monkeypatch.setattr("socket.gethostname", lambda: "there")
    journal = Journal(there / run.pk, about=lambda: {"runtime": run.pk, "role": "collector", **asdict(identify_self())})
    journal.write("log", {"event": "said once", "level": 20})
    journal.close()
    Shipper(there).ship_all()
    assert Log.objects.count() == 1
    monkeypatch.undo()
    assert end_run(run, State.CRASHED, now=NOW)
    list(purge_app(run.app, source=Command.Source.SHELL, now=NOW))
    monkeypatch.setattr("socket.gethostname", lambda: "there")
    # A manager that was started since, and knows nothing but what is in the database.
    Shipper(there).ship_all()
    assert not Log.objects.exists()
    later = utc_now() + timedelta(days=8)
    assert sweep_journals(there, now=later).files == 1
    assert JournalFile.objects.count() == 1
    sweep(now=utc_now() + timedelta(days=200), sleep=lambda _seconds: None)
    assert not JournalFile.objects.exists()
