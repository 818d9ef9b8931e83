"""The web process on the databases of the test run, as `manage.py web` starts it."""

from __future__ import annotations

import atexit
import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 30


def free_port() -> int:
    """A port that nobody listens on, and that nobody else is given while these tests run.

    Servers that may bind a port again soon after its last user, as all of ours do, can have it nonetheless.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    atexit.register(reserved.close)
    port: int = reserved.getsockname()[1]
    return port


class WebProcess:
    """A web process at an address that stays the same when it is started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {**os.environ, "DC_WEB_PORT": str(self.port), "DC_LOG_LEVEL": "ERROR"}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "web"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(deadline):
            if (code := self.process.poll()) is not None or time.monotonic() > deadline:
                self.kill()
                fault = f"did not answer within {START_SECONDS} s" if code is None else f"ended with code {code}"
                raise AssertionError(f"manage.py web {fault}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self, deadline: float) -> bool:
        # The first answer may take long, and is the one that is waited for: asked again, it takes as long again.
        left = max(0.1, deadline - time.monotonic())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=left)
        try:
            connection.request("HEAD", "/admin/login/")
            return connection.getresponse().status > 0
        except OSError:
            return False
        finally:
            connection.close()
