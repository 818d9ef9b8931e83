"""A TCP proxy that goes wrong on request: it delays, cuts, resets, swallows and half-closes what passes through it.

It stands between a process and a real server, which may listen on a port or on a unix socket. While bytes are held, the
kernel goes on saying that they have arrived: to the process behind it the server hangs, and is not gone.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHUNK = 64 * 1024
#: A connection that is closed so says RST instead of FIN.
NO_LINGER = struct.pack("ii", 1, 0)

Address = tuple[str, int] | Path


@dataclass(slots=True, eq=False)
class Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    #: What the server says is not passed on any more.
    is_deaf: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def drop(self, *, rudely: bool) -> None:
        """End it on both sides: FIN, or RST."""
        for writer in (self.client, self.server):
            peer = writer.get_extra_info("socket")
            if rudely and peer is not None and peer.family != socket.AF_UNIX:
                with suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            if rudely:
                writer.transport.abort()
            else:
                writer.close()


class TcpProxy:
    """Listens on `port` of 127.0.0.1 and passes everything on to `server`, in a thread of its own."""

    def __init__(self, server: Address) -> None:
        self.server = server
        self.port = 0
        self.connections = 0
        """How many were accepted so far."""
        self.unanswered = 0
        """How many answers were lost by `lose_answer`."""
        self._links: set[Link] = set()
        self._delay_s = 0.0
        self._loses: list[bytes] = []
        self._fatal: tuple[bytes, ...] = ()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self._await(self._begin())

    # -- What it can be asked for --------------------------------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """Every piece arrives so much later; 0: as it should be."""
        self._do(lambda: setattr(self, "_delay_s", seconds))

    def hold(self) -> None:
        """Swallow what is sent until `release`; new connections are accepted, and nobody answers on them."""
        self._do(self._open.clear)

    def release(self) -> None:
        """Pass on what was held."""
        self._do(self._open.set)

    def hold_after(self, *words: bytes) -> None:
        """The next message with all of these words arrives, and from there on everything is held."""
        self._do(lambda: setattr(self, "_fatal", words))

    @property
    def is_holding(self) -> bool:
        """Whether it swallows what is sent."""
        return not self._open.is_set()

    def cut(self) -> None:
        """Close all connections in order."""
        self._do(lambda: self._drop(rudely=False))

    def reset(self) -> None:
        """Break all connections."""
        self._do(lambda: self._drop(rudely=True))

    def half_close(self) -> None:
        """The server says no more on these connections, and does not know it."""
        self._do(self._half_close)

    def lose_answer(self, to: bytes) -> None:
        """The next message that holds `to` arrives; its connection breaks before the answer does."""
        self._do(lambda: self._loses.append(to))

    def close(self) -> None:
        """End all of it."""
        self._do(lambda: self._drop(rudely=True))
        self._do(self._listener.close)
        self._await(asyncio.sleep(0.05))  # what was aborted sees its end
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # -- In its thread -------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self._open.wait()
        try:
            if isinstance(self.server, Path):
                answers, server = await asyncio.open_unix_connection(str(self.server))
            else:
                answers, server = await asyncio.open_connection(*self.server)
        except OSError:
            client.transport.abort()
            return
        link = Link(client, server)
        self._links.add(link)
        link.tasks = [
            asyncio.ensure_future(self._pass_on(link, reader, server)),
            asyncio.ensure_future(self._pass_on(link, answers, client)),
        ]
        await asyncio.gather(*link.tasks, return_exceptions=True)
        self._links.discard(link)
        link.drop(rudely=False)

    async def _pass_on(self, link: Link, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        is_answer = target is link.client
        try:
            await self._pass_pieces(link, source, target)
        except OSError:
            # Broken on one side: the other one hears of it in the same way.
            link.drop(rudely=True)
        # Who only says that nothing more follows may still listen; a server that is done is gone.
        if is_answer or link.is_deaf:
            link.drop(rudely=False)

    async def _pass_pieces(self, link: Link, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        is_answer = target is link.client
        while piece := await source.read(CHUNK):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._open.wait()
            if is_answer and link.is_deaf:
                continue
            lost = None if is_answer else next((words for words in self._loses if words in piece), None)
            link.is_deaf = link.is_deaf or lost is not None
            target.write(piece)
            await target.drain()
            if self._fatal and not is_answer and all(words in piece for words in self._fatal):
                self._fatal = ()
                self._open.clear()
            if lost is not None:
                self._loses.remove(lost)
                self.unanswered += 1
                # The server has all of it; nobody hears what it says to that.
                await asyncio.sleep(0.05)
                link.drop(rudely=True)
                return
        await self._open.wait()
        if not (is_answer and link.is_deaf):
            target.write_eof()

    def _drop(self, *, rudely: bool) -> None:
        for link in list(self._links):
            link.drop(rudely=rudely)

    def _half_close(self) -> None:
        for link in list(self._links):
            link.is_deaf = True
            with suppress(OSError, RuntimeError):
                link.client.write_eof()

    # -- From other threads --------------------------------------------------------------------------------------------

    def _do(self, action: Callable[[], Any]) -> None:
        async def act() -> None:
            action()

        self._await(act())

    def _await(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
