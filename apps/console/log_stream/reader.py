"""The database as the event loop reads it: in threads of its own, over connections that stay open.

Django opens a connection for each call from an event loop unless told otherwise; twenty wake-ups a second would cost
more in connections than in reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connections

from apps.console.log_viewer.rows import LineBatch, bounded, line_bounds, line_values, run_data
from apps.logs.models import Log
from apps.runtime.models import Runtime

_T = TypeVar("_T")

BATCH = 500


class Reader:
    """One thread with its connection: what is asked of it happens one after the other."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def call(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call `function` there. Raises what it raises; a connection that failed is opened anew for the next call."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _on_open_connection, function, args)

    async def close(self) -> None:
        """End the thread and its connections."""
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown(wait=False)

    async def lines(self, run_id: str, after: int, upto: int | None = None) -> LineBatch | None:
        """The lines behind `after`, as many as fit a frame; None when there are none."""
        return await self.call(read_lines, run_id, after, upto)

    async def run(self, run_id: str) -> dict[str, Any] | None:
        """What the head of the viewer says; None when the run is gone."""
        return await self.call(read_run, run_id)

    async def bounds(self, run_id: str) -> tuple[int, int]:
        """The first and the last line that are stored."""
        return await self.call(line_bounds, run_id)


def _on_open_connection(function: Callable[..., _T], args: tuple[Any, ...]) -> _T:
    try:
        return function(*args)
    except (DatabaseError, InterfaceError):
        connections.close_all()
        raise


def read_lines(run_id: str, after: int, upto: int | None) -> LineBatch | None:
    """One query: consecutive lines behind `after`."""
    lines = Log.objects.filter(runtime_id=run_id, line_number__gt=after)
    if upto is not None:
        lines = lines.filter(line_number__lte=upto)
    return bounded(line_values(lines.order_by("line_number"))[: BATCH + 1], BATCH)


def read_run(run_id: str) -> dict[str, Any] | None:
    """One query: the run as it is now."""
    run = Runtime.objects.filter(pk=run_id).first()
    return run_data(run) if run else None
