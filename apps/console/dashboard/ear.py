"""Hears the wake-ups of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from apps.runtime.wakeups import EVERYTHING

log = structlog.get_logger("dashboard")

AGAIN_S = 5.0
TIMEOUT_S = 3.0
#: A subscription is made anew after so long: a channel layer forgets groups after a day.
RENEW_S = 3600.0


class Ear:
    """Calls `wake` for each wake-up, as long as the channel layer lets it."""

    def __init__(self, layer: Any, wake: Callable[[], None]) -> None:
        self.layer, self._wake = layer, wake
        self.is_listening = False
        """Whether wake-ups arrive."""
        self._is_deaf = False

    async def listen(self) -> None:
        """Listen for ever."""
        while True:
            try:
                await self._listen_once()
            except TimeoutError:
                self._say("The channel layer does not answer.")
            except Exception as error:  # noqa: BLE001 - the layer's library raises what its driver raises
                self._say(str(error) or type(error).__name__)
            self.is_listening = False
            await asyncio.sleep(AGAIN_S)

    async def _listen_once(self) -> None:
        channel = await asyncio.wait_for(self.layer.new_channel(), TIMEOUT_S)
        try:
            while True:
                await asyncio.wait_for(self.layer.group_add(EVERYTHING, channel), TIMEOUT_S)
                self.is_listening, self._is_deaf = True, False
                # For what was said before the subscription.
                self._wake()
                await self._hear(channel)
        finally:
            self.is_listening = False

    async def _hear(self, channel: str) -> None:
        try:
            async with asyncio.timeout(RENEW_S):
                while True:
                    await self.layer.receive(channel)
                    self._wake()
        except TimeoutError:
            return

    def _say(self, reason: str) -> None:
        if not self._is_deaf:
            log.warning("dashboard.no_wakeups", reason=reason)
        self._is_deaf = True
