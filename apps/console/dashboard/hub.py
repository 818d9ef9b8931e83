"""All open dashboards of one process: one look at the database for everybody, one look at all permissions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from channels.layers import get_channel_layer
from django.db import Error as DatabaseFailure

from apps.console.dashboard.ear import Ear
from apps.console.dashboard.snapshot import Snapshot, changed_ids, take_snapshot
from apps.console.dashboard.topics import PERMISSIONS, Topic
from apps.console.dashboard.watcher import Watcher
from apps.console.log_stream.reader import Reader
from apps.console.sockets.codes import NOT_ALLOWED, SIGNED_OUT
from apps.console.sockets.passes import Codes, Pass, Standing, standings

log = structlog.get_logger("dashboard")

MOST_WATCHERS = 2_000
#: The database is looked at again after so long without a wake-up, because a channel layer may lose messages ...
QUIET_S = 4.0
#: ... and after so long where there is none, or none that answers.
POLLING_S = 1.0
#: Wake-ups that come faster are answered together.
LEAST_PAUSE_S = 0.25
#: How often sessions, tokens and permissions are looked at; with the time this takes, well below five seconds.
CHECK_EVERY_S = 2.0
SIGNED_OUT_WORDS = "You were signed out, or your token is over."


class Hub:
    """Belongs to one event loop."""

    def __init__(self, layer: Any = None) -> None:
        self.watchers: set[Watcher] = set()
        self.reader = Reader("dashboard")
        """Looks at what is watched."""
        self.guard = Reader("dashboard-guard")
        """Lets people in, and looks at what they may see."""
        self.snapshot: Snapshot | None = None
        self.looks = 0
        self._rung = asyncio.Event()
        self._ear = Ear(layer, self._rung.set) if layer is not None else None
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def watched_by(self, watcher: Watcher) -> AsyncIterator[None]:
        """Tell this watcher what it asks for, until it leaves."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._look_on()), asyncio.create_task(self._watch_permissions())]
            if self._ear is not None:
                self._tasks.append(asyncio.create_task(self._ear.listen()))
        self.watchers.add(watcher)
        try:
            yield
        finally:
            self.watchers.discard(watcher)

    def ring(self) -> None:
        """There may be something new, or somebody asked for something new."""
        self._rung.set()

    async def close(self) -> None:
        """End everything that runs here, and the database connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.reader.close()
        await self.guard.close()

    # -- What is watched -----------------------------------------------------------------------------------------------

    async def _look_on(self) -> None:
        is_failing = False
        while True:
            await self._wait()
            try:
                await self._look()
                is_failing = False
            except DatabaseFailure as error:
                if not is_failing:
                    log.warning("dashboard.not_read", reason=str(error).strip().partition("\n")[0])
                is_failing = True
                await asyncio.sleep(POLLING_S)
            await asyncio.sleep(LEAST_PAUSE_S)

    async def _wait(self) -> None:
        is_told = self._ear is not None and self._ear.is_listening
        pause = (QUIET_S if is_told else POLLING_S) * random.uniform(0.8, 1)  # noqa: S311 - spreads the load
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), pause)
        # Whatever is rung for from now on is answered by the next look.
        self._rung.clear()

    async def _look(self) -> None:
        asked = {watcher: set(watcher.asked) for watcher in self.watchers}
        topics = {topic for watcher in self.watchers for topic in (*watcher.asked, *watcher.known)}
        if not topics:
            self.snapshot = None
            return
        old, self.snapshot = self.snapshot, await self.reader.call(take_snapshot, topics)
        self.looks += 1
        found: dict[tuple[Topic, Codes], dict[str, list[str]]] = {}
        for watcher in list(self.watchers):
            self._tell(watcher, old, self.snapshot, found)
            self._answer(watcher, asked.get(watcher, set()), self.snapshot)

    def _tell(
        self,
        watcher: Watcher,
        old: Snapshot | None,
        new: Snapshot,
        found: dict[tuple[Topic, Codes], dict[str, list[str]]],
    ) -> None:
        """What is another version than it was told; what changed is worked out once for all who may see the same."""
        for topic, known in list(watcher.known.items()):
            codes = watcher.codes(topic)
            version = new.version(topic, codes)
            if version == known:
                continue
            if version is None:
                watcher.drop(topic)
                continue
            if (topic, codes) not in found:
                found[topic, codes] = changed_ids(old, new, topic, codes) if old is not None else {}
            watcher.tell(topic, version, found[topic, codes])

    def _answer(self, watcher: Watcher, asked: set[Topic], new: Snapshot) -> None:
        """Tell it the versions of what it has asked for; what is not there and what it may not see are one answer."""
        granted, refused = {}, {}
        for topic in asked:
            watcher.asked.discard(topic)
            version = new.version(topic, watcher.codes(topic)) if watcher.standing.may(topic.permission) else None
            if version is None:
                refused[str(topic)] = "unknown"
            else:
                watcher.known[topic] = granted[str(topic)] = version
        if asked:
            watcher.answer("subscribed", {"topics": granted, "refused": refused})

    # -- Who watches ---------------------------------------------------------------------------------------------------

    async def _watch_permissions(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            watchers = list(self.watchers)
            for watcher in watchers:
                watcher.look_at_the_clock()
            if not watchers:
                continue
            try:
                found = await self.guard.call(standings, {watcher.held for watcher in watchers}, PERMISSIONS)
            except DatabaseFailure as error:
                # Without the database nothing is read either, so nothing is told to anybody meanwhile.
                log.warning("dashboard.not_checked", reason=str(error).strip().partition("\n")[0])
                continue
            for watcher in watchers:
                check(watcher, found.get(watcher.held), self.snapshot)


def check(watcher: Watcher, standing: Standing | None, snapshot: Snapshot | None) -> None:
    """Close whoever was signed out, or watches what they may not see any longer."""
    if standing is None:
        watcher.close(SIGNED_OUT, SIGNED_OUT_WORDS)
        return
    watcher.standing = standing
    rows = snapshot.single if snapshot is not None else {}
    for topic in watcher.known:
        if not standing.may(topic.permission, rows[topic].app_code if topic in rows else None):
            watcher.close(NOT_ALLOWED, f"You may not watch {topic} any longer.")
            return


def admit(held: Pass) -> tuple[Pass, Standing] | None:
    """Whoever may see anything that is watched here."""
    standing = standings([held], PERMISSIONS).get(held)
    return (held, standing) if standing is not None and any(map(standing.may, PERMISSIONS)) else None


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def running_hub() -> Hub:
    """The hub of the event loop this is called in."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub(get_channel_layer())
    return hub
