"""All runs that are followed in this process: one subscription a run, one look at all permissions at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from channels.layers import get_channel_layer
from django.db import Error as DatabaseFailure

from apps.console.log_stream.access import SIGNED_OUT, refused
from apps.console.log_stream.feed import Feed
from apps.console.log_stream.reader import Reader
from apps.console.log_stream.viewer import Viewer
from apps.console.sockets.codes import TOO_LONG_OPEN
from apps.runtime.wakeups import wakeup_group

log = structlog.get_logger("log_stream")

MOST_VIEWERS = 1_000
#: How often sessions and permissions are looked at; with the time this takes, well below five seconds.
CHECK_EVERY_S = 2.0
SUBSCRIBE_AGAIN_S = 5.0
SUBSCRIBE_TIMEOUT_S = 3.0
WORDS = {SIGNED_OUT: "You were signed out, or your token is over."}
NOT_ALLOWED_WORDS = "You may not read logs any longer."


class Hub:
    """Belongs to one event loop."""

    def __init__(self, layer: Any = None) -> None:
        self.layer = layer
        self.feeds: dict[str, Feed] = {}
        self.live = Reader("log-live")
        """Reads what is new, for everybody."""
        self.past = Reader("log-past")
        """Reads what was said before, and permissions: this may take its time."""
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._is_deaf = False

    @property
    def viewer_count(self) -> int:
        """How many sockets are open."""
        return sum(len(feed.all_viewers()) for feed in self.feeds.values())

    @asynccontextmanager
    async def following(self, run_id: str, viewer: Viewer) -> AsyncIterator[Feed]:
        """The feed of a run, for as long as the viewer follows it."""
        self._start()
        feed = self.feeds.get(run_id)
        if feed is None:
            feed = self.feeds[run_id] = Feed(run_id, self.live)
            self._changed.set()
        feed.waiting.add(viewer)
        try:
            await feed.ready()
            yield feed
        finally:
            feed.viewers.discard(viewer)
            feed.waiting.discard(viewer)
            if not feed.all_viewers():
                feed.stop()
                del self.feeds[run_id]
                self._changed.set()

    async def close(self) -> None:
        """End everything that runs here, and the database connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for feed in self.feeds.values():
            feed.stop()
        await self.live.close()
        await self.past.close()

    def _start(self) -> None:
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._watch_permissions()))
            if self.layer is not None:
                self._tasks.append(asyncio.create_task(self._listen()))

    # -- Wake-ups ------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Ring the feeds that the channel layer names, and keep its subscriptions equal to the feeds."""
        while True:
            try:
                await self._listen_once()
            except Exception as error:  # noqa: BLE001 - the layer's library raises what its driver raises
                if not self._is_deaf:
                    log.warning("log_stream.no_wakeups", reason=str(error) or type(error).__name__)
                self._is_deaf = True
            for feed in self.feeds.values():
                feed.is_rung = False
            await asyncio.sleep(SUBSCRIBE_AGAIN_S)

    async def _listen_once(self) -> None:
        channel = await asyncio.wait_for(self.layer.new_channel(), SUBSCRIBE_TIMEOUT_S)
        receiving = asyncio.create_task(self._receive(channel))
        try:
            subscribed: dict[str, Feed] = {}
            while not receiving.done():
                self._changed.clear()
                await self._subscribe(channel, subscribed)
                self._is_deaf = False
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait({receiving, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
            receiving.result()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _subscribe(self, channel: str, subscribed: dict[str, Feed]) -> None:
        for run_id, feed in list(self.feeds.items()):
            if run_id not in subscribed:
                await asyncio.wait_for(self.layer.group_add(wakeup_group(run_id), channel), SUBSCRIBE_TIMEOUT_S)
                # Rung once, for what was said between the first look and the subscription.
                feed.ring()
            feed.is_rung = True
            subscribed[run_id] = feed
        for run_id in subscribed.keys() - self.feeds.keys():
            del subscribed[run_id]
            await asyncio.wait_for(self.layer.group_discard(wakeup_group(run_id), channel), SUBSCRIBE_TIMEOUT_S)

    async def _receive(self, channel: str) -> None:
        while True:
            message = await self.layer.receive(channel)
            if (feed := self.feeds.get(message.get("run", ""))) is not None:
                feed.ring()

    # -- Permissions ---------------------------------------------------------------------------------------------------

    async def _watch_permissions(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            viewers = [viewer for feed in self.feeds.values() for viewer in feed.all_viewers()]
            for viewer in viewers:
                if viewer.is_stuck():
                    viewer.let_go()
                elif viewer.is_old():
                    viewer.close(TOO_LONG_OPEN, f"Open for long; go on after={viewer.delivered}")
            if not viewers:
                continue
            try:
                codes = await self.past.call(refused, {viewer.visitor for viewer in viewers})
            except DatabaseFailure as error:
                # Without the database no line is read either, so nothing is told to anybody meanwhile.
                log.warning("log_stream.not_checked", reason=str(error).strip().partition("\n")[0])
                continue
            for viewer in viewers:
                if viewer.visitor in codes:
                    code = codes[viewer.visitor]
                    viewer.close(code, WORDS.get(code, NOT_ALLOWED_WORDS))


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def running_hub() -> Hub:
    """The hub of the event loop this is called in."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub(get_channel_layer())
    return hub
