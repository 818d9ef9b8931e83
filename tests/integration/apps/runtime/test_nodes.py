"""Managers as rows: registered, renewed, lost, taken over."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from apps.core.clock import database_now
from apps.runtime.models import Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.nodes import (
    LEASE,
    Condition,
    Heartbeat,
    adopt_lost_runs,
    end_node,
    register_node,
    register_when_possible,
)
from apps.runtime.process import identify_self
from apps.runtime.supervision.lease import boot_time, renewed_s_ago
from tests.integration.factories import make_app, make_node, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def beating(node: Node, *, used: int = 0, is_draining: bool = False, error: str = "") -> Heartbeat:
    return Heartbeat(node, lambda: Condition(used, is_draining, error), lambda: None)


def test_each_incarnation_is_a_node_of_its_own() -> None:
    first, second = (register_node(slots=4, queues=["runs"]) for _ in range(2))
    assert first.pk != second.pk
    assert (first.pid, first.pid_started) == (identify_self().pid, identify_self().pid_started)
    assert first.lease_until - first.heartbeat_at == LEASE


def test_a_heartbeat_renews_the_lease_and_says_how_it_is() -> None:
    node = make_node(lease_until=database_now() - timedelta(hours=1))
    beating(node, used=3, error="Connection refused.").beat()
    node.refresh_from_db()
    assert node.lease_until > database_now()
    assert (node.used, node.broker_error, node.is_draining) == (3, "Connection refused.", False)


def test_the_note_for_exclusive_runs_is_renewed_with_the_lease_and_not_without() -> None:
    node = make_node()
    heartbeat = beating(node)
    heartbeat.note.renew(boot_time() - 60)
    heartbeat.beat()
    assert renewed_s_ago(heartbeat.note.path) < 30
    heartbeat.note.renew(boot_time() - 60)
    end_node(node, "It was not heard of for 60 s.")
    heartbeat.beat()
    assert renewed_s_ago(heartbeat.note.path) >= 60


def test_a_manager_that_is_told_to_end_before_the_database_is_there_is_no_node() -> None:
    tries: list[Exception] = []
    with connection.execute_wrapper(_away):
        node = register_when_possible(slots=1, queues=["runs"], is_over=lambda: bool(tries), on_failure=tries.append)
    assert (node, len(tries), Node.objects.count()) == (None, 1, 0)


def _away(*_: Any) -> Any:
    raise OperationalError("The database is away.")


def test_a_node_that_was_ended_learns_of_it_and_stays_ended() -> None:
    node, lost = make_node(), threading.Event()
    end_node(node, "It was not heard of for 60 s.")
    heartbeat = Heartbeat(node, lambda: Condition(0, is_draining=False, broker_error=""), lost.set)
    heartbeat.start()
    assert lost.wait(20)
    heartbeat.close()
    assert not heartbeat.holds_lease
    node.refresh_from_db()
    assert node.end_cause == "It was not heard of for 60 s."


def test_somebody_can_ask_a_manager_to_drain_by_its_row() -> None:
    node = make_node()
    heartbeat = beating(node)
    heartbeat.beat()
    assert not heartbeat.is_asked_to_drain
    Node.objects.update(is_draining=True)
    heartbeat.beat()
    assert heartbeat.is_asked_to_drain


def test_a_manager_that_drains_says_so() -> None:
    node = make_node()
    beating(node, is_draining=True).beat()
    node.refresh_from_db()
    assert node.is_draining


def test_runs_of_a_manager_of_this_machine_whose_process_is_gone_are_taken_over() -> None:
    me, gone = make_node(), make_node(pid=1, pid_started=1)
    app = make_app(max_parallel=9)
    left = make_run(app, State.RUNNING, owner=gone)
    over = make_run(app, State.SUCCEEDED, owner=gone)
    assert adopt_lost_runs(me) == [left.pk]
    left.refresh_from_db()
    over.refresh_from_db()
    gone.refresh_from_db()
    assert (left.owner, over.owner) == (me, gone)
    assert (left.state, over.state) == (State.STOPPING, State.SUCCEEDED)
    assert gone.ended_at is not None


def test_a_reboot_ends_every_manager_of_before_whatever_their_pids_are_now() -> None:
    me = make_node()
    before = make_node(boot_id="another boot")
    run = make_run(make_app(), State.RUNNING, owner=before)
    assert adopt_lost_runs(me) == [run.pk]


def test_nothing_is_taken_from_a_manager_that_lives_or_is_elsewhere() -> None:
    me, alive, elsewhere = make_node(), make_node(), make_node(host="elsewhere", pid=1, pid_started=1)
    app = make_app(max_parallel=9)
    for slot, owner in enumerate((alive, elsewhere)):
        make_run(app, State.RUNNING, owner=owner, slot=slot)
    assert adopt_lost_runs(me) == []
    assert set(Runtime.objects.values_list("owner", flat=True)) == {alive.pk, elsewhere.pk}
