"""Doorbells: messages that say "look at your rows", and nothing else.

What has to happen stands in rows, and managers look at them once a second without being told: a doorbell that is lost
costs that second. So there is one fanout exchange for all: every manager hears every ring and heeds those for its own
queues and for itself. No message ever waits for a machine that is busy while another one idles, and none piles up where
nobody listens.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings

if TYPE_CHECKING:
    from kombu import Connection, Exchange, Producer, Queue

log = structlog.get_logger("doorbells")

EXCHANGE = "datacollector.doorbell"
#: For connecting, and for each answer: whoever rings has something better to do.
PATIENCE_S = 0.4
#: After a failure nobody waits for the broker for so long.
PAUSE_AFTER_FAILURE_S = 5.0


def ring(queue: str) -> None:
    """Tell the managers that serve `queue` that a run is waiting. Call it after the commit that queued the run."""
    _bell.ring(queue)


def ring_node(node_id: str) -> None:
    """Tell one manager to look at its runs: somebody asked one of them to stop. Call it after the commit."""
    _bell.ring(node_door(node_id))


def node_door(node_id: str) -> str:
    """The name under which one manager hears what is meant for it alone."""
    return f"node.{node_id}"


def open_connection(patience_s: float) -> Connection:
    """A connection to the broker of the settings, not yet made. No answer is waited for longer than `patience_s`."""
    from kombu import Connection

    url, options = settings.CELERY_BROKER_URL, dict(settings.CELERY_BROKER_TRANSPORT_OPTIONS)
    if url.startswith(("amqp", "pyamqp")):
        options |= {"read_timeout": patience_s, "write_timeout": patience_s}
    elif url.startswith(("redis", "rediss")):
        options |= {"socket_timeout": patience_s, "socket_connect_timeout": patience_s, "retry_on_timeout": False}
    return Connection(url, connect_timeout=patience_s, transport_options=options, heartbeat=10)


def exchange() -> Exchange:
    """Where all doorbells meet."""
    from kombu import Exchange

    return Exchange(EXCHANGE, type="fanout", durable=True, delivery_mode="transient")


class Bell:
    """Rings over one connection a process. `ring` never raises, and waits for a dead broker once in a few seconds."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._quiet_until = 0.0

    def ring(self, door: str) -> None:
        """Send one message that names `door`."""
        if self._pid != os.getpid():
            # A fork shares the socket of its parent, which two must not write to.
            self._begin()
        if not settings.CELERY_BROKER_URL or not self._lock.acquire(timeout=PATIENCE_S):
            return
        try:
            self._ring(door)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let the connection go; the next ring makes a new one."""
        with self._lock:
            self._hang_up()

    def _ring(self, door: str) -> None:
        if time.monotonic() < self._quiet_until:
            return
        had_connection = self._producer is not None
        try:
            try:
                self._send(door)
            except Exception:
                # A broker that was restarted leaves a dead connection behind; a fresh one that fails is the answer.
                self._hang_up()
                if not had_connection:
                    raise
                self._send(door)
        except Exception as error:  # noqa: BLE001 - same; whoever rings must not notice
            self._hang_up()
            self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE_S
            log.debug("doorbell.not_rung", door=door, reason=str(error) or type(error).__name__)

    def _send(self, door: str) -> None:
        if self._producer is None:
            self._connection = open_connection(PATIENCE_S)
            # By itself it would try to connect again and again.
            self._connection.ensure_connection(max_retries=0)
            self._producer = self._connection.Producer(exchange=exchange(), serializer="json")
        options: dict[str, Any] = {"retry": False}
        if self._connection is not None and self._connection.transport.driver_type == "amqp":
            options |= {"timeout": PATIENCE_S, "confirm_timeout": PATIENCE_S}
        self._producer.publish({"door": door}, **options)

    def _hang_up(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.collect(socket_timeout=PATIENCE_S)
            except Exception as error:  # noqa: BLE001 - closing what is broken may break too
                log.debug("doorbell.not_closed", reason=str(error) or type(error).__name__)


class Listener:
    """Hears the doorbells of a manager, in a thread of its own; without a broker it keeps trying and says why.

    `wake(door)` is called from that thread. `error` is empty while somebody could ring.
    """

    LISTEN_S = 0.5
    LONGEST_PAUSE_S = 10.0

    def __init__(self, name: str, doors: Collection[str], wake: Callable[[str], None]) -> None:
        self.name, self.doors, self.wake = name, frozenset(doors), wake
        self.error = "" if settings.CELERY_BROKER_URL else "No broker is configured (DC_BROKER_URL)."
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="doorbells", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, whatever the broker does."""
        if settings.CELERY_BROKER_URL:
            self._thread.start()

    def close(self) -> None:
        """End; a broker that does not answer is left behind."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(2 * self.LISTEN_S)

    def _run(self) -> None:
        pause_s = 1.0
        while not self._closing.is_set():
            try:
                with open_connection(3.0) as connection:
                    connection.ensure_connection(max_retries=0)
                    self._listen(connection)
                pause_s = 1.0
            except Exception as error:  # noqa: BLE001 - each transport raises what its driver raises
                if not self.error:
                    log.warning("doorbell.silent", reason=str(error) or type(error).__name__)
                    pause_s = 1.0
                self.error = str(error) or type(error).__name__
            self._closing.wait(pause_s)
            pause_s = min(2 * pause_s, self.LONGEST_PAUSE_S)

    def _listen(self, connection: Connection) -> None:
        with connection.Consumer(self._queue(connection), callbacks=[self._heard], no_ack=True, accept=["json"]):
            if self.error:
                log.info("doorbell.heard_again")
            self.error = ""
            # What was rung while nobody listened is in the rows.
            self._wake_all()
            while not self._closing.is_set():
                with suppress(socket.timeout):
                    connection.drain_events(timeout=self.LISTEN_S)
                if connection.supports_heartbeats:
                    connection.heartbeat_check()

    def _queue(self, connection: Connection) -> Queue:
        from kombu import Queue

        if connection.transport.driver_type == "filesystem":
            # A folder forgets no queue: one for this machine, whichever manager it has.
            return Queue(EXCHANGE, exchange())
        return Queue(f"{EXCHANGE}.{self.name}", exchange(), durable=False, exclusive=True, auto_delete=True)

    def _heard(self, body: Any, _message: Any) -> None:
        door = body.get("door") if isinstance(body, dict) else None
        if door in self.doors:
            self.wake(door)

    def _wake_all(self) -> None:
        for door in self.doors:
            self.wake(door)


#: The bell of this process.
_bell = Bell()
