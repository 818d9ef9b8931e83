"""The register of managers: one row for each incarnation, alive as long as it renews its lease.

All times here are the database's, so that a machine whose clock is wrong neither dies early nor lives on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, connections, transaction

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.core.clock import database_now
from apps.core.silence import limit_silence
from apps.runtime.machine import measure_machine
from apps.runtime.models import LIVE, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import ProcessIdentity, identify_self, is_gone, node_name
from apps.runtime.supervision.lease import LeaseNote, boot_time
from collectors import __version__

log = structlog.get_logger("manager")

LEASE = timedelta(seconds=16)
HEARTBEAT_S = 2.0
#: How often a manager looks what its machine has left.
MEASURE_S = 10.0
REGISTER_PAUSE_S = 1.0


def register_node(*, slots: int, queues: Collection[str]) -> Node:
    """A new node: this process, as the manager of its machine."""
    me, now = identify_self(), database_now()
    return Node.objects.create(
        host=me.node,
        boot_id=me.boot_id,
        pid=me.pid,
        pid_started=me.pid_started,
        version=__version__,
        slots=slots,
        queues=list(queues),
        started_at=now,
        heartbeat_at=now,
        lease_until=now + LEASE,
    )


def register_when_possible(
    *, slots: int, queues: Collection[str], is_over: Callable[[], bool], on_failure: Callable[[DatabaseError], None]
) -> Node | None:
    """The same, as soon as the database is there. None when it is over before that."""
    while not is_over():
        try:
            return register_node(slots=slots, queues=queues)
        except DatabaseError as error:
            on_failure(error)
            pause_ends = time.monotonic() + REGISTER_PAUSE_S
            while time.monotonic() < pause_ends and not is_over():
                time.sleep(0.05)
    return None


def end_node(node: Node, cause: str) -> None:
    """The manager exits and owns nothing any more."""
    Node.objects.filter(pk=node.pk, ended_at__isnull=True).update(ended_at=database_now(), end_cause=cause, used=0)


def ask_to_drain(nodes: Iterable[Node], *, is_draining: bool, actor: User | None, source: str, now: datetime) -> int:
    """Have managers claim no more runs, or claim again, from their next heartbeat on. How many there were to ask."""
    asked = 0
    for node in nodes:
        with transaction.atomic():
            if Node.objects.filter(pk=node.pk, ended_at__isnull=True).update(is_draining=is_draining):
                action = "manager.draining" if is_draining else "manager.claiming"
                record(action, str(node), source=source, actor=actor, now=now, obj=node)
                asked += 1
    return asked


def adopt_lost_runs(node: Node) -> list[str]:
    """Take over the live runs of managers of this machine whose process is gone. Returns their ids.

    Their supervisors stop them by themselves, so they are STOPPING from here on; `node` has to wait for that and write
    down how each ended.
    """
    adopted: list[str] = []
    for other in Node.objects.filter(host=node_name(), ended_at__isnull=True).exclude(pk=node.pk):
        if is_gone(ProcessIdentity(other.host, other.boot_id, other.pid, other.pid_started)):
            with transaction.atomic():
                runs = Runtime.objects.filter(owner=other, state__in=LIVE)
                ids = list(runs.values_list("pk", flat=True))
                # The runs first: a run whose owner has ended is anybody's to end.
                runs.update(owner=node, state=State.STOPPING)
                end_node(other, "Its process is gone.")
            log.warning("node.adopted", node=other.pk, runs=len(ids))
            adopted += ids
    return adopted


@dataclass(frozen=True, slots=True)
class Condition:
    """What a manager says about itself with each heartbeat."""

    used: int
    is_draining: bool
    broker_error: str


class Heartbeat(threading.Thread):
    """Renews the lease of a node. `is_lost` is set when somebody ended the node: it was silent for too long."""

    def __init__(self, node: Node, condition: Callable[[], Condition], on_lost: Callable[[], None]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.node = node
        self.condition = condition
        self.on_lost = on_lost
        self.is_lost = False
        #: What somebody wrote into the row: no more runs are to be claimed.
        self.is_asked_to_drain = False
        self._closing = threading.Event()
        self._beaten_at = boot_time()
        self._measured_at = float("-inf")
        self.note = LeaseNote()

    def run(self) -> None:
        """Until closed or lost."""
        limit_silence()
        try:
            while not self.is_lost and not self._closing.is_set():
                try:
                    self.beat()
                except Exception as error:  # noqa: BLE001 - without a heartbeat its runs would be declared lost
                    log.debug("heartbeat.missed", reason=str(error).strip().partition("\n")[0])
                    connections.close_all()
                self._closing.wait(HEARTBEAT_S)
        finally:
            connections.close_all()

    def beat(self) -> None:
        """One heartbeat. Raises `DatabaseError`."""
        condition = self.condition()
        begun, now = boot_time(), database_now()
        alive = Node.objects.filter(pk=self.node.pk, ended_at__isnull=True).update(
            heartbeat_at=now, lease_until=now + LEASE, used=condition.used, broker_error=condition.broker_error[:2000]
        )
        if not alive:
            self.is_lost = True
            self.on_lost()
            return
        self._beaten_at = begun
        self.note.renew(begun)
        self._measure(begun)
        row = Node.objects.filter(pk=self.node.pk)
        if condition.is_draining:
            row.filter(is_draining=False).update(is_draining=True)
        else:
            self.is_asked_to_drain = bool(row.values_list("is_draining", flat=True).first())

    def _measure(self, now: float) -> None:
        """Now and then, write down what the machine has left."""
        if now - self._measured_at >= MEASURE_S:
            self._measured_at = now
            Node.objects.filter(pk=self.node.pk).update(vitals=measure_machine().as_json())

    @property
    def holds_lease(self) -> bool:
        """Whether the lease was renewed recently enough to rely on it. Time in suspension counts."""
        return not self.is_lost and boot_time() - self._beaten_at < LEASE.total_seconds() - 1

    def close(self) -> None:
        """Beat no more."""
        self._closing.set()
        if self.is_alive():
            self.join(5)
