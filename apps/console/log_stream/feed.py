"""One run that somebody follows: read once for all who do."""

from __future__ import annotations

import asyncio
import random
from collections import deque

import structlog
from django.db import Error as DatabaseFailure

from apps.console.log_stream.reader import Reader
from apps.console.log_stream.viewer import Frame, Viewer, data_frame, lines_frame
from apps.console.log_viewer.rows import encode
from apps.console.sockets.codes import GONE

log = structlog.get_logger("log_stream")

#: The database is asked again after so long without a wake-up, because a channel layer may lose messages ...
QUIET_S = 2.0
#: ... and after so long where there is no layer, or where it has just been found to lose them.
POLLING_S = 0.5
POLLING_FOR = 60
#: Frames that are kept for those who come a little later.
RECENT_BYTES = 512 * 1024
#: Wake-ups that come faster are answered together.
LEAST_PAUSE_S = 0.02
RUN_EVERY_S = 0.25


class Feed:
    """Reads the lines behind its head when it is rung for, and offers each frame to every viewer."""

    def __init__(self, run_id: str, reader: Reader) -> None:
        self.run_id = run_id
        self.viewers: set[Viewer] = set()
        self.waiting: set[Viewer] = set()
        """Viewers who still read what was said before they came."""
        self.first, self.head = 1, 0
        self.run_json = b"null"
        self._recent: deque[Frame] = deque()
        self._recent_bytes = 0
        self.is_rung = False
        """Whether wake-ups can reach it."""
        self._reader = reader
        self._rung = asyncio.Event()
        self._run_read_at = 0.0
        self._polls_left = 0
        self._ready: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Wait until it knows the run and its last line. Raises what the database raises."""
        if self._ready is None or (self._ready.done() and self._ready.exception() is not None):
            self._ready = asyncio.create_task(self._begin())
        # Somebody who leaves while waiting must not take the answer away from the others.
        await asyncio.shield(self._ready)

    async def _begin(self) -> None:
        self.first, self.head = await self._reader.bounds(self.run_id)
        self.run_json = encode(await self._reader.run(self.run_id))
        self._task = asyncio.create_task(self._follow())

    def ring(self) -> None:
        """There may be something new."""
        self._rung.set()

    def stop(self) -> None:
        """Nobody follows any more."""
        for task in (self._ready, self._task):
            if task is not None:
                task.cancel()

    def all_viewers(self) -> list[Viewer]:
        """Those who are up to date, and those who are not yet."""
        return [*self.viewers, *self.waiting]

    async def catch_up(self, viewer: Viewer, reader: Reader) -> None:
        """Send the lines between the viewer's cursor and the recent frames at the viewer's pace, then let it join.

        Two hundred viewers who all come back after a restart never reach the head of a busy run by reading: while each
        waits for its turn, the head moves on. They need to reach the frames that are still in memory.
        """
        while viewer.cursor < self._recent_from - 1:
            batch = await reader.lines(self.run_id, viewer.cursor, self.head)
            if batch is None:
                break
            viewer.cursor = batch.last
            await viewer.send(lines_frame(batch))
        # Nothing is awaited between the comparison above and here, so no line falls between the two.
        for frame in self._recent:
            viewer.offer(frame)
        self.waiting.discard(viewer)
        self.viewers.add(viewer)

    @property
    def _recent_from(self) -> int:
        """The first line that is still in memory."""
        return self._recent[0].first if self._recent else self.head + 1

    def _keep(self, frame: Frame) -> None:
        self._recent.append(frame)
        self._recent_bytes += frame.size
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= self._recent.popleft().size

    async def _follow(self) -> None:
        is_failing = False
        while True:
            was_rung = await self._wait()
            try:
                found = await self._read_on()
                await self._read_run(was_rung=was_rung)
                is_failing = False
            except DatabaseFailure as error:
                if not is_failing:
                    log.warning("log_stream.not_read", run=self.run_id, reason=str(error).strip().partition("\n")[0])
                is_failing, found = True, False
                await asyncio.sleep(1)
            self._polls_left = POLLING_FOR if found and not was_rung else max(0, self._polls_left - 1)
            await asyncio.sleep(LEAST_PAUSE_S)

    async def _wait(self) -> bool:
        """True when it was rung for; False when it is time to look anyway."""
        pause = QUIET_S if self.is_rung and not self._polls_left else POLLING_S
        try:
            await asyncio.wait_for(self._rung.wait(), pause * random.uniform(0.8, 1))  # noqa: S311 - spreads the load
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    async def _read_on(self) -> bool:
        found = False
        while batch := await self._reader.lines(self.run_id, self.head):
            found = True
            self.head = batch.last
            frame = lines_frame(batch)
            self._keep(frame)
            self._offer(frame)
            if not batch.has_more:
                break
        return found

    async def _read_run(self, *, was_rung: bool) -> None:
        now = asyncio.get_running_loop().time()
        if was_rung and now - self._run_read_at < RUN_EVERY_S:
            return
        self._run_read_at = now
        run = await self._reader.run(self.run_id)
        if run is None:
            for viewer in self.all_viewers():
                viewer.close(GONE, "The run was deleted.")
            return
        run_json = encode(run)
        if run_json != self.run_json:
            self.run_json = run_json
            self._offer(data_frame("run", self.head, run_json))

    def _offer(self, frame: Frame) -> None:
        for viewer in self.viewers:
            viewer.offer(frame)
