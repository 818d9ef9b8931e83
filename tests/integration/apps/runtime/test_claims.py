"""Slots, epochs and lost processes, on a real database."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connections
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.claims import AppIsLive, begin, claim_runs, end_lost_runs, open_run
from apps.runtime.limits import describe_limits
from apps.runtime.models import ENDED, LIVE, MOVES, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import identify, identify_self, is_gone
from apps.runtime.specs import spec_of
from tests.integration.factories import make_app, make_node, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_a_run_by_hand_takes_a_slot_and_the_next_epoch() -> None:
    app = make_app()
    run = open_run(app, owner=identify_self(), args={"a": 1}, now=utc_now())
    run.refresh_from_db()
    assert (run.state, run.slot, run.epoch, run.trigger, run.args) == ("STARTING", 0, 1, "SHELL", {"a": 1})
    assert run.pid == identify_self().pid
    entry = AuditEntry.objects.get(action="app.run_by_hand")
    assert (entry.source, entry.subject, entry.details) == ("SHELL", app.code, {"run": run.pk})


def test_an_app_that_is_live_is_refused_with_the_run_that_is_in_the_way() -> None:
    app = make_app()
    first = open_run(app, owner=identify_self(), args={}, now=utc_now())
    with pytest.raises(AppIsLive, match=f"examples.shop.books is running already \\(run {first.pk}\\)"):
        open_run(app, owner=identify_self(), args={}, now=utc_now())
    assert Runtime.objects.count() == 1


def test_an_app_may_have_several_slots() -> None:
    app = make_app(max_parallel=2)
    runs = [open_run(app, owner=identify_self(), args={}, now=utc_now()) for _ in range(2)]
    assert {run.slot for run in runs} == {0, 1}
    with pytest.raises(AppIsLive):
        open_run(app, owner=identify_self(), args={}, now=utc_now())
    assert runs[0].finish(State.FAILED, at=utc_now(), cause="Over.")
    assert open_run(app, owner=identify_self(), args={}, now=utc_now()).slot == 0


def test_the_database_itself_refuses_two_live_runs_in_one_slot() -> None:
    app = make_app()
    make_run(app, State.RUNNING)
    with pytest.raises(IntegrityError):
        make_run(app, State.STARTING)


def claim(node: Node, limit: int = 1, queues: tuple[str, ...] = ("runs",)) -> list[Runtime]:
    return claim_runs(node=node, queues=queues, limit=limit)


def test_the_oldest_queued_run_is_claimed_first_and_a_full_app_is_passed_over() -> None:
    node, busy, free = make_node(), make_app(), make_app("examples.debian.python_docs")
    make_run(busy, State.RUNNING)
    waiting, claimable = make_run(busy), make_run(free)
    (claimed,) = claim(node)
    assert (claimed.pk, claimed.state, claimed.slot) == (claimable.pk, State.STARTING, 0)
    stored = Runtime.objects.get(pk=claimable.pk)
    assert (stored.owner, stored.node, stored.epoch) == (node, node.host, claimed.epoch)
    assert claim(node) == []
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED


def test_a_full_app_with_many_waiting_runs_hides_nobody_behind_it() -> None:
    node, busy, free = make_node(), make_app(), make_app("examples.debian.python_docs")
    for _ in range(20):
        make_run(busy)
    last = make_run(free)
    claimed = [run.pk for _ in range(3) for run in claim(node, limit=2)]
    assert len(claimed) == 2
    assert last.pk in claimed


def test_only_the_queues_that_are_served_are_looked_at() -> None:
    node, app = make_node(), make_app(max_parallel=3)
    here, there = make_run(app, queue="here"), make_run(app, queue="there")
    assert [run.pk for run in claim(node, 5, ("here", "elsewhere"))] == [here.pk]
    assert [run.pk for run in claim(node, 5, ("there",))] == [there.pk]


def test_a_retry_waits_for_its_time() -> None:
    node, app = make_node(), make_app(max_parallel=3)
    make_run(app, not_before=utc_now() + timedelta(hours=1))
    due = make_run(app, not_before=utc_now() - timedelta(hours=1))
    assert [run.pk for run in claim(node, 5)] == [due.pk]


def test_a_claim_of_one_run_takes_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    node = make_node()
    make_run(make_app())
    with django_assert_max_num_queries(8):
        assert len(claim(node)) == 1


def test_no_run_is_claimed_twice_by_managers_that_race() -> None:
    node = make_node()
    for code in ("examples.shop.books", "examples.debian.python_docs"):
        app = make_app(code, max_parallel=50)
        for _ in range(20):
            make_run(app)
    together, errors = Barrier(4), []
    claimed: list[tuple[str, int, int | None, int]] = []

    def work() -> None:
        try:
            together.wait()
            while Runtime.objects.queued().exists():
                claimed.extend((run.pk, run.app_id, run.slot, run.epoch) for run in claim(node, limit=3))
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
    assert len(claimed) == 40
    assert len({pk for pk, *_ in claimed}) == 40
    assert len({(app, slot) for _, app, slot, _ in claimed}) == 40
    assert len({(app, epoch) for _, app, _, epoch in claimed}) == 40


@pytest.mark.parametrize("state", list(State))
def test_only_legal_moves_change_the_row(state: State) -> None:
    app = make_app()
    for target, sources in MOVES.items():
        run = make_run(app, state)
        values = {"ended_at": utc_now()} if target in ENDED else {"slot": 0}
        assert run.move(target, **values) is (state in sources)
        run.refresh_from_db()
        assert run.state == (target if state in sources else state)
        run.delete()


def test_an_older_epoch_changes_nothing() -> None:
    run = make_run(make_app(), State.RUNNING, epoch=5)
    stale = Runtime.objects.get(pk=run.pk)
    stale.epoch = 4
    assert not stale.finish(State.FAILED, at=utc_now(), cause="Late.")
    run.refresh_from_db()
    assert run.state == State.RUNNING


def test_a_run_ends_once() -> None:
    run = make_run(make_app(), State.RUNNING)
    assert run.finish(State.SUCCEEDED, at=utc_now())
    assert not run.finish(State.CRASHED, at=utc_now(), cause="Too late.")
    run.refresh_from_db()
    assert (run.state, run.cause) == (State.SUCCEEDED, "")


def test_a_run_whose_process_is_gone_is_ended_as_crashed() -> None:
    app = make_app()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        owner = identify(process.pid)
        run = open_run(app, owner=owner, args={}, now=utc_now())
        assert begin(run, owner=owner, code_version="", now=utc_now())
        assert end_lost_runs(now=utc_now()) == []
        process.kill()
    assert [lost.pk for lost in end_lost_runs(now=utc_now())] == [run.pk]
    run.refresh_from_db()
    assert (run.state, run.cause) == (State.CRASHED, f"The run was lost: its process {owner.pid} ended without a word.")


def test_a_run_that_was_killed_does_not_block_the_next_one() -> None:
    app = make_app()
    gone = replace(identify_self(), pid_started=1)
    lost = open_run(app, owner=gone, args={}, now=utc_now())
    following = open_run(app, owner=identify_self(), args={}, now=utc_now())
    lost.refresh_from_db()
    assert lost.state == State.CRASHED
    assert following.epoch == lost.epoch + 1


def test_after_a_reboot_the_cause_says_so() -> None:
    app = make_app()
    before = replace(identify_self(), boot_id="0" * 36)
    assert is_gone(before)
    open_run(app, owner=before, args={}, now=utc_now())
    (lost,) = end_lost_runs(now=utc_now())
    assert "the machine was restarted" in lost.cause


def test_runs_of_other_machines_are_not_ours_to_end() -> None:
    app = make_app()
    open_run(app, owner=replace(identify_self(), node="elsewhere", pid_started=1), args={}, now=utc_now())
    assert end_lost_runs(now=utc_now()) == []


def test_a_run_that_was_ended_meanwhile_does_not_begin() -> None:
    run = open_run(make_app(), owner=identify_self(), args={}, now=utc_now())
    assert Runtime.objects.get(pk=run.pk).finish(State.STOPPED, at=utc_now(), cause="Stopped.")
    assert not begin(run, owner=identify_self(), code_version="", now=utc_now())


def test_live_and_ended_states_are_all_the_states_there_are() -> None:
    assert {State.QUEUED, *LIVE, *ENDED} == set(State)
    assert set(MOVES) == set(State) - {State.QUEUED}


def test_a_run_keeps_the_limits_that_its_app_had_when_it_was_claimed() -> None:
    app = make_app(memory_limit_mb=64, time_limit_s=30, stop_grace_s=7)
    run = make_run(app)
    claim_runs(node=make_node(), queues=["runs"], limit=1)
    App.objects.filter(pk=app.pk).update(memory_limit_mb=512, time_limit_s=None, process_limit=3)
    run = Runtime.objects.select_related("app").get(pk=run.pk)
    spec = spec_of(run)
    assert (spec.memory_limit_bytes, spec.time_limit_s, spec.process_limit, spec.stop_grace_s) == (2**26, 30.0, None, 7)
    assert describe_limits(run) == [("Time", "30 s"), ("Memory", "64 MB")]


def test_a_run_that_waits_shows_the_limits_it_would_get_and_an_old_one_none_that_nobody_kept() -> None:
    app = make_app(cpu_limit_s=5)
    assert describe_limits(make_run(app)) == [("CPU", "5 s")]
    assert describe_limits(make_run(app, State.SUCCEEDED)) is None


def test_a_run_by_hand_has_the_limits_that_hold_without_a_supervisor() -> None:
    app = make_app(memory_limit_mb=64, time_limit_s=30)
    run = open_run(app, owner=identify_self(), args={}, now=utc_now())
    assert describe_limits(run) == [("Time", "30 s")]
