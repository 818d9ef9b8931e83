"""`manage.py runcollector` as a person meets it: what it prints, how it exits, what it leaves behind."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse

from apps.logs.models import Log
from apps.runtime.models import Command, Runtime, State
from apps.runtime.queue_models import ItemQueue
from apps.runtime.services import issue_command
from tests.acceptance.conftest import Manage, wait_for
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

Finish = Callable[..., tuple[int, str]]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A small documentation of the shape that Debian installs."""
    pages = Path("collectors/sources/examples/debian/python_docs/tests/pages")
    return pages.resolve()


def test_it_collects_prints_the_numbers_and_a_link_and_a_second_run_changes_nothing(finish: Finish, docs: Path) -> None:
    code, output = finish("runcollector", "examples.debian.python_docs", "--arg", f"folder={docs}")
    run = Runtime.objects.get()
    assert code == 0, output
    assert f"run {run.pk}  (disabled, runs by hand only)" in output
    assert f"seen {run.rows_seen}   inserted {run.rows_inserted}   archived 0   unchanged 0" in output
    assert run.rows_inserted > 0
    assert output.rstrip().endswith(reverse("admin:runtime_runtime_change", args=[run.pk]))

    code, output = finish("runcollector", "examples.debian.python_docs", "--arg", f"folder={docs}")
    assert code == 0, output
    assert f"inserted 0   archived 0   unchanged {run.rows_inserted}" in output


def test_limit_and_dry_run(finish: Finish, docs: Path) -> None:
    options = ("--arg", f"folder={docs}", "--limit", "2", "--dry-run")
    code, output = finish("runcollector", "examples.debian.python_docs", *options)
    assert code == 0, output
    assert "dry run, writes nothing; at most 2 items" in output
    assert "would be inserted 2" in output
    run = Runtime.objects.get()
    assert (run.is_dry_run, run.limit, run.is_complete) == (True, 2, False)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-code"], '"no-code" is not an app code: write it as group.parent.app.'),
        (["a.b.Big"], '"Big" cannot be part of an app code'),
        (["a.b.c"], "There is no source a.b.c"),
        (["trial.odd.broken"], "The source trial.odd.broken cannot be imported"),
        (["trial.odd.slow", "--arg", "seconds=soon"], '"seconds"'),
        (["trial.odd.slow", "--arg", "colour=red"], '"colour" is not an argument of trial.odd.slow'),
        (["trial.odd.slow", "--arg", "seconds"], '"seconds" is not of the form key=value'),
        (["trial.odd.slow", "--limit", "0"], "--limit has to be a number from 1 to"),
        (["trial.odd.slow", "--limit", "many"], "--limit"),
        (["trial.odd.slow", "--limit", "99999999999999999999"], "--limit has to be a number from 1 to 2147483647"),
        ([], "Name the app to run"),
        (["--runtime", "0" * 32], "--runtime is for the manager"),
    ],
)
def test_what_cannot_be_run_is_one_sentence_and_exit_code_2(finish: Finish, argv: list[str], words: str) -> None:
    code, output = finish("runcollector", *argv)
    assert code == 2, output
    assert words in output
    assert "Traceback" not in output
    assert not Runtime.objects.exists()


def test_a_missing_table_ends_the_run_with_the_command_to_type(finish: Finish) -> None:
    code, output = finish("runcollector", "trial.odd.homeless")
    assert code == 1, output
    assert "Traceback" not in output
    assert 'The table "trial_odd_homeless_nowhere" does not exist' in output
    assert "manage.py migrate trial_odd_homeless" in output
    assert Runtime.objects.get().state == State.FAILED


def test_an_unreachable_site_ends_the_run_with_a_sentence(finish: Finish) -> None:
    code, output = finish("runcollector", "examples.shop.books", "--arg", "base_url=http://127.0.0.1:9/demo/")
    assert code == 1, output
    assert "Traceback" not in output
    cause = "http://127.0.0.1:9/demo/ cannot be reached: connection refused."
    assert cause in output
    run = Runtime.objects.get()
    assert (run.state, run.cause, run.rows_seen) == (State.FAILED, cause, 0)


def test_an_app_that_runs_already_is_refused_with_exit_code_3(manage: Manage, finish: Finish) -> None:
    process = manage("runcollector", "trial.odd.slow")
    run = wait_for(lambda: Runtime.objects.filter(state=State.RUNNING).first())
    code, output = finish("runcollector", "trial.odd.slow")
    assert (code, run.pk in output) == (3, True), output
    assert Runtime.objects.count() == 1
    process.send_signal(signal.SIGTERM)
    process.wait(30)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_as_stopped_and_loses_no_line(manage: Manage, signum: signal.Signals, code: int) -> None:
    process = manage("runcollector", "trial.odd.slow")
    run = wait_for(lambda: Runtime.objects.filter(state=State.RUNNING, solved__gt=0).first())
    process.send_signal(signum)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == code, output
    assert "Stopping: the items under way are finished." in output
    run.refresh_from_db()
    assert (run.state, run.exit_code) == (State.STOPPED, code)
    assert signum.name in run.cause
    messages = list(Log.objects.filter(runtime=run).order_by("line_number").values_list("message", flat=True))
    assert messages[0] == "run.started"
    assert messages[-2:] == ["rows.stored", "run.ended"] or messages[-1] == "run.ended"
    assert messages.count("item.collected") == run.solved


def test_a_command_to_stop_reaches_a_run_by_hand(manage: Manage) -> None:
    process = manage("runcollector", "trial.odd.slow")
    run = wait_for(lambda: Runtime.objects.filter(state=State.RUNNING, solved__gt=0).select_related("app").first())
    command = issue_command(run.app, Command.Verb.STOP, source=Command.Source.ADMIN)
    assert command.state == Command.Progress.PENDING
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 143, output
    run.refresh_from_db()
    assert run.state == State.STOPPED


def test_the_time_limit_ends_the_run_with_exit_code_124(finish: Finish) -> None:
    make_app("trial.odd.slow", time_limit_s=1)
    code, output = finish("runcollector", "trial.odd.slow")
    assert code == 124, output
    assert "The time limit of 1 s was reached." in output
    assert Runtime.objects.get().state == State.TIMED_OUT


def test_a_killed_run_does_not_block_the_next_and_ends_as_crashed(manage: Manage, finish: Finish) -> None:
    process = manage("runcollector", "trial.odd.slow")
    run = wait_for(lambda: Runtime.objects.filter(state=State.RUNNING).first())
    process.kill()
    process.wait()
    code, output = finish("runcollector", "trial.odd.slow", "--arg", "items=1")
    assert code == 0, output
    run.refresh_from_db()
    assert (run.state, run.cause) == (State.CRASHED, f"The run was lost: its process {run.pid} ended without a word.")


def test_a_run_that_was_killed_leaves_its_list_to_the_next_one(finish: Finish, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    argv = ("runcollector", "trial.odd.resuming", "--arg", f"file={stored}")
    code, _ = finish(*argv, DC_TEST_DIES_AT="23")
    assert code == -9
    assert [int(line) for line in stored.read_text().split()] == list(range(20))

    code, output = finish(*argv)
    assert code == 0, output
    assert [int(line) for line in stored.read_text().split()] == list(range(40)), "each was stored, and none twice"
    killed, run = Runtime.objects.order_by("queued_at")
    assert (killed.state, run.state, run.is_complete) == (State.CRASHED, State.SUCCEEDED, True)
    assert (run.continues, run.queue_size, run.queue_left, run.solved) == (killed.pk, 40, 20, 20)
    assert not ItemQueue.objects.exists()


def test_without_tables_it_says_what_to_type(finish: Finish, tmp_path: Path) -> None:
    code, output = finish("runcollector", "trial.odd.slow", DC_DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert code == 2, output
    assert "The platform's database cannot be used: no such table" in output
    assert "manage.py migrate" in output
