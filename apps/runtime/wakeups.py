"""Telling whoever follows a run, or everything, that there is news. A message says "look again" and nothing else.

What is said through the channel layer may be lost: those who follow read the database, and look again from time to time
without being told.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable

import structlog

log = structlog.get_logger("wakeups")

SEND_TIMEOUT_S = 2.0
PAUSE_AFTER_FAILURE_S = 1.0
#: More runs than this at once are not told one by one; their followers look for themselves.
MOST_PENDING = 10_000


#: The group of those who follow whatever changes: each message says only that something may have.
EVERYTHING = "dashboard"


def wakeup_group(run_id: str) -> str:
    """The name under which the channel layer knows those who follow a run."""
    return f"run.{run_id}"


class Wakeups:
    """Rings for runs from any thread, over one event loop in a thread of its own.

    `ring` neither waits nor raises: a collector must not notice that the channel layer is slow or gone. Runs that are
    rung for again before their turn are told once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._pending: dict[str, None] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung: asyncio.Event | None = None
        self._is_closing = False
        self._pid = os.getpid()

    def ring(self, run_ids: Iterable[str]) -> None:
        """Tell the followers of these runs to look at the database."""
        if self._pid != os.getpid():
            # A fork took the lock and the loop along, but not the thread that serves them.
            self._lock = threading.Lock()
            self._begin()
        with self._lock:
            if self._is_closing:
                return
            if len(self._pending) < MOST_PENDING:
                self._pending.update(dict.fromkeys(run_ids))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="wakeups", daemon=True)
                self._thread.start()
            self._alert()

    def close(self, timeout_s: float = 2.0) -> None:
        """Send what is pending, at most for so long, and end the thread."""
        with self._lock:
            self._is_closing = True
            thread = self._thread
            self._alert()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _alert(self) -> None:
        if self._loop is not None and self._rung is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - nothing that goes wrong here may reach a collector
            log.warning("wakeups.ended", reason=str(error) or type(error).__name__)

    async def _serve(self) -> None:
        from channels.layers import get_channel_layer

        layer = get_channel_layer()
        with self._lock:
            self._loop, self._rung = asyncio.get_running_loop(), asyncio.Event()
            self._rung.set()
        is_failing = False
        while True:
            await self._rung.wait()
            self._rung.clear()
            with self._lock:
                run_ids, self._pending = list(self._pending), {}
                is_closing = self._is_closing
            try:
                if layer is not None:
                    await self._send(layer, run_ids)
                is_failing = False
            except Exception as error:  # noqa: BLE001 - the layer's library raises what its driver raises
                # Who follows looks from time to time anyway: nobody has to be told of this.
                if not is_failing:
                    log.debug("wakeups.not_sent", reason=str(error) or type(error).__name__)
                is_failing = True
                if not is_closing:
                    await asyncio.sleep(PAUSE_AFTER_FAILURE_S)
            if is_closing:
                return

    async def _send(self, layer: object, run_ids: list[str]) -> None:
        for run_id in run_ids:
            sent = layer.group_send(wakeup_group(run_id), {"type": "wake", "run": run_id})  # type: ignore[attr-defined]
            await asyncio.wait_for(sent, SEND_TIMEOUT_S)
        await asyncio.wait_for(layer.group_send(EVERYTHING, {"type": "wake"}), SEND_TIMEOUT_S)  # type: ignore[attr-defined]


_wakeups = Wakeups()


def tell_watchers() -> None:
    """Something changed that pages show. Call it after the commit; it neither waits nor raises."""
    _wakeups.ring(())
