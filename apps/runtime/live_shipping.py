"""Brings what this machine's runs and processes say into the database while they say it. A thread of the manager."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

import structlog
from django.db import connections

from apps.core.silence import BULK_PATIENCE_S, limit_silence
from apps.runtime.journals import PLATFORM
from apps.runtime.shipper import Shipper

log = structlog.get_logger("shipper")

PERIOD_S = 0.15
#: The platform's own lines; and every other journal of the machine, whose writer may have died with its manager.
PLATFORM_EVERY_S, ALL_EVERY_S = 1.0, 30.0
PAUSE_AFTER_FAILURE_S = 1.0


class LiveShipping(threading.Thread):
    """Ships the journals of the runs that `live()` names several times a second, and the others from time to time."""

    def __init__(self, shipper: Shipper, live: Callable[[], Collection[str]]) -> None:
        super().__init__(name="shipping", daemon=True)
        self.shipper, self.live = shipper, live
        self._closing = threading.Event()
        self._next_platform = self._next_all = 0.0

    def run(self) -> None:
        """Until closed. While the database is away, journals wait."""
        limit_silence(BULK_PATIENCE_S)
        pause_s, is_away = PERIOD_S, False
        try:
            while not self._closing.wait(pause_s):
                try:
                    self.step()
                    pause_s, is_away = PERIOD_S, False
                except Exception as error:  # noqa: BLE001 - nobody else ships while runs are alive
                    if not is_away:
                        log.warning("journal.not_shipped", reason=str(error).strip().partition("\n")[0])
                    pause_s, is_away = PAUSE_AFTER_FAILURE_S, True
                    connections.close_all()
        finally:
            connections.close_all()

    def step(self) -> None:
        """One round."""
        live = self.live()
        for run_id in live:
            self.shipper.ship_news(run_id)
        now = time.monotonic()
        if now >= self._next_all:
            self.shipper.ship_all(except_for=live)
            self._next_all = time.monotonic() + ALL_EVERY_S
        elif now >= self._next_platform:
            self.shipper.ship_news(PLATFORM)
        else:
            return
        self._next_platform = time.monotonic() + PLATFORM_EVERY_S

    def close(self) -> None:
        """Ship no more; what is left is for whoever comes next."""
        self._closing.set()
        if self.is_alive():
            self.join(15)
