"""The manager with real collectors: every end is written down, and a stop leaves nothing alive."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from apps.core.clock import utc_now
from apps.runtime.journals import journal_root
from apps.runtime.models import Command, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import node_name, start_time
from apps.runtime.services import issue_command
from tests.acceptance.conftest import Manage, wait_for
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def manager(manage: Manage) -> Iterator[Popen[str]]:
    process = manage("manager", DC_RUN_SLOTS="2")
    wait_for(Node.objects.exists)
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(40)


def in_state(run: Runtime, *states: State) -> Runtime | None:
    return Runtime.objects.filter(pk=run.pk, state__in=states).select_related("app").first()


def has_begun(run: Runtime) -> bool:
    """Whether the collector is at work. RUNNING says that it has a process, which may not listen to signals yet."""
    return run.logs.filter(message="item.collected").exists()


def ended(run: Runtime) -> Runtime:
    found: Runtime = wait_for(lambda: Runtime.objects.filter(pk=run.pk, ended_at__isnull=False).first())
    return found


def test_it_runs_what_is_queued_and_never_more_than_its_slots(manager: Popen[str]) -> None:
    app = make_app("trial.odd.slow", max_parallel=10, args={"seconds": 0.3, "items": 3})
    runs = [make_run(app) for _ in range(4)]
    most = 0

    def all_ended() -> bool:
        nonlocal most
        # Processes, not rows: a slot is free when its process is gone, a moment before its row says so.
        pids = Runtime.objects.live().filter(pid__isnull=False).values_list("pid", flat=True)
        most = max(most, sum(start_time(pid or 0) is not None for pid in pids))
        return not Runtime.objects.filter(ended_at__isnull=True).exists()

    wait_for(all_ended, seconds=60)
    assert {ended(run).state for run in runs} == {State.SUCCEEDED}
    assert 1 <= most <= 2


def test_stop_ends_the_process_and_the_run(manager: Popen[str]) -> None:
    app = make_app("trial.odd.slow", is_enabled=True)
    run = issue_command(app, Command.Verb.START, source=Command.Source.ADMIN).runtime
    assert run is not None
    running = wait_for(lambda: in_state(run, State.RUNNING))
    wait_for(lambda: has_begun(run))
    command = issue_command(app, Command.Verb.STOP, source=Command.Source.ADMIN)
    assert command.state == Command.Progress.PENDING
    stopped = ended(run)
    assert (stopped.state, stopped.exit_code) == (State.STOPPED, 143)
    wait_for(lambda: start_time(running.pid) is None)
    wait_for(lambda: Command.objects.filter(pk=command.pk, state=Command.Progress.EXECUTED).exists())


def test_a_collector_that_does_not_listen_is_killed_when_its_grace_is_over(manager: Popen[str]) -> None:
    app = make_app("trial.odd.stubborn", is_enabled=True, stop_grace_s=1)
    run = issue_command(app, Command.Verb.START, source=Command.Source.ADMIN).runtime
    assert run is not None
    running = wait_for(lambda: in_state(run, State.RUNNING))
    wait_for(lambda: run.logs.filter(message="ears.closed").exists())
    issue_command(app, Command.Verb.STOP, source=Command.Source.ADMIN)
    stopped = ended(run)
    assert (stopped.state, stopped.signal) == (State.STOPPED, signal.SIGKILL)
    assert stopped.cause == "Asked to stop, and killed when its 1 s of grace were over."
    assert start_time(running.pid) is None


def test_each_way_in_which_a_collector_ends_by_itself_is_written_down(manager: Popen[str]) -> None:
    """All of them by one manager: its start takes longer than these runs."""
    killed = make_app("trial.odd.killed", max_parallel=3)
    by_signal = make_run(killed)
    in_the_middle = make_run(killed, args={"exit_code": 7})
    with_zero = make_run(killed, args={"exit_code": 0})
    not_imported = make_run(make_app("trial.odd.broken"))
    bad_arguments = make_run(make_app("trial.odd.slow"), args={"seconds": "soon"})

    run = ended(by_signal)
    assert (run.state, run.signal, run.cause) == (State.CRASHED, 9, "The process was ended by SIGKILL.")
    run = ended(in_the_middle)
    assert (run.state, run.exit_code) == (State.FAILED, 7)
    assert run.cause == "The process exited with code 7: something is badly wrong"
    # No success: it did not come to its end.
    run = ended(with_zero)
    assert (run.state, run.exit_code) == (State.FAILED, 0)
    run = ended(not_imported)
    assert run.state == State.FAILED
    assert "The source trial.odd.broken cannot be imported: main.py, line 3: ModuleNotFoundError" in run.cause
    run = ended(bad_arguments)
    assert run.state == State.FAILED
    assert '"seconds"' in run.cause


def test_a_manager_that_is_asked_to_end_stops_its_collectors_first(manager: Popen[str]) -> None:
    app = make_app("trial.odd.slow", max_parallel=2)
    runs = [make_run(app), make_run(app)]
    wait_for(lambda: Runtime.objects.filter(state=State.RUNNING).count() == 2)
    wait_for(lambda: all(map(has_begun, runs)))
    running = list(Runtime.objects.all())
    manager.send_signal(signal.SIGTERM)
    output, _ = manager.communicate(timeout=40)
    assert manager.returncode == 0, output
    assert {ended(run).state for run in runs} == {State.STOPPED}
    assert {ended(run).cause.partition(":")[0] for run in runs} == {"Manager exit"}
    assert [start_time(run.pid or 0) for run in running] == [None, None]


def test_when_a_manager_is_killed_the_next_one_ends_its_runs_once_nothing_of_them_is_left(
    manager: Popen[str], manage: Manage
) -> None:
    run = make_run(make_app("trial.odd.slow", stop_grace_s=10))
    running = wait_for(lambda: in_state(run, State.RUNNING))
    wait_for(lambda: has_begun(run))
    os.kill(manager.pid, signal.SIGKILL)
    manage("manager")
    lost = ended(run)
    assert start_time(running.pid) is None
    assert (lost.state, lost.error_category, lost.journal_complete) == (State.CRASHED, "platform", True)
    assert lost.cause.startswith("Its manager was lost. Asked to stop (SIGTERM)")
    # Its last lines are there.
    assert run.logs.filter(message="run.ended").exists()
    assert Node.objects.get(pk=running.owner_id).end_cause == "Its process is gone."


def test_a_run_whose_manager_was_killed_before_it_began_is_ended_by_the_next_manager(manage: Manage) -> None:
    now = utc_now()
    gone = Node.objects.create(
        host=node_name(), boot_id="x", pid=1, pid_started=1, started_at=now, heartbeat_at=now, lease_until=now
    )
    run = make_run(make_app("trial.odd.slow"), State.STARTING, owner=gone, node=node_name(), boot_id="x", epoch=1)
    (journal_root() / run.pk).mkdir(parents=True)
    manage("manager")
    assert (ended(run).state, ended(run).cause) == (State.CRASHED, "Its manager was lost.")


def test_a_run_goes_to_a_manager_that_serves_its_queue(manage: Manage) -> None:
    app = make_app("trial.odd.slow", max_parallel=4, args={"seconds": 0.01, "items": 1})
    runs = [make_run(app, queue=queue) for queue in ("small", "big", "nobodys")]
    managers = [manage("manager", "--queues", queue, "--slots", "1") for queue in ("small", "big")]
    for run in runs[:2]:
        assert ended(run).state == State.SUCCEEDED
    owners = {run.queue: run.owner for run in Runtime.objects.filter(ended_at__isnull=False).select_related("owner")}
    assert {queue: owner.queues for queue, owner in owners.items() if owner} == {"small": ["small"], "big": ["big"]}
    assert Runtime.objects.get(pk=runs[2].pk).state == State.QUEUED
    for process in managers:
        process.terminate()
    assert [process.wait(40) for process in managers] == [0, 0]
    assert set(Node.objects.values_list("end_cause", flat=True)) == {"It was told to stop."}


def test_a_manager_that_drains_lets_its_runs_finish(manage: Manage, tmp_path: Path) -> None:
    app = make_app("trial.odd.slow", max_parallel=2, args={"items": 1, "until": str(tmp_path / "finish")})
    process = manage("manager", "--drain")
    wait_for(Node.objects.exists)
    run = make_run(app)
    wait_for(lambda: in_state(run, State.RUNNING))
    process.terminate()
    wait_for(lambda: Node.objects.filter(is_draining=True).exists())
    late = make_run(app)
    (tmp_path / "finish").touch()
    assert process.wait(60) == 0
    assert ended(run).state == State.SUCCEEDED
    assert in_state(late, State.QUEUED)


def test_a_second_signal_ends_the_runs_at_once(manage: Manage) -> None:
    run = make_run(make_app("trial.odd.stubborn", stop_grace_s=600))
    process = manage("manager")
    wait_for(Node.objects.exists)
    wait_for(lambda: run.logs.filter(message="ears.closed").exists())
    process.terminate()
    wait_for(lambda: Node.objects.filter(is_draining=True).exists())
    process.terminate()
    assert process.wait(60) == 0
    assert ended(run).state == State.STOPPED
    assert ended(run).cause.startswith("Manager exit: Asked to stop, and killed")
