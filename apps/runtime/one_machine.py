"""`manage.py up`: the whole platform on one machine, as child processes of one."""

from __future__ import annotations

import fcntl
import http.client
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from django.conf import settings
from django.db import connections

from apps.core.clock import utc_now
from apps.runtime import seed, vital_signs
from apps.runtime.children import KeepsDying, Part
from apps.runtime.embedded import Broker, choose_broker
from collectors import __version__

START_LIMIT_S = 90.0


class CannotStart(Exception):
    """The platform cannot start; the message says why and what to do."""


class Platform:
    """Starts, watches and stops the parts. `say` takes the lines that a person reads."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self.say = say
        self.data_dir = Path(settings.DC_DATA_DIR).absolute()
        self.stopping = threading.Event()
        self.parts: list[Part] = []
        self.url = f"http://{settings.DC_WEB_HOST}:{settings.DC_WEB_PORT}"
        self._lock_file: IO[str] | None = None
        self._signals = 0

    def run(self) -> int:
        """Until Ctrl-C or TERM. Returns the exit code. Raises `CannotStart`."""
        self._be_alone()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._on_signal)
        try:
            self._start()
            while not self.stopping.wait(0.5):
                for part in self.parts:
                    if part.revive():
                        self.say(f"{part.name} had ended and was started again.")
        except KeepsDying as error:
            self.say(f"Giving up: {error}")
            return 1
        finally:
            self._stop()
        return 0

    def _start(self) -> None:
        began = time.monotonic()
        broker = choose_broker()
        self._begin_again_with(broker.env)
        self.say(f"Data Collector {__version__}, profile {settings.DC_PROFILE}, data in {self.data_dir}")
        self._start_broker(broker)
        self._report("broker", broker.title)
        seed.migrate()
        notes = seed.seed(now=utc_now())
        self._report("database", self._databases())
        # Children start with connections of their own.
        connections.close_all()
        for name, patience_s in (("web", 8.0), ("manager", 30.0), ("worker", 10.0), ("beat", 5.0)):
            part = self._part(name, [sys.executable, "manage.py", name], broker.env, patience_s)
            self.parts.append(part)
            part.start()
        self._await("web", self._web_answers, self.url)
        for name, meaning in vital_signs.PARTS.items():
            self._await(name, lambda name=name: vital_signs.is_alive(name, now=utc_now()), meaning)  # type: ignore[misc]
        self._welcome(notes, time.monotonic() - began)

    def _welcome(self, notes: list[str], seconds: float) -> None:
        if self.stopping.is_set():
            return
        self.say("")
        for note in notes:
            self.say(f"Note: {note}")
        self.say(f"Ready in {seconds:.1f} s. Sign in as the administrator with this link; it works once, for an hour:")
        self.say(f"  {seed.login_link(now=utc_now())}")
        self.say("Another link: manage.py loginlink. Stop everything: Ctrl-C.")

    def _part(self, name: str, argv: list[str], env: dict[str, str], patience_s: float) -> Part:
        log_file = self.data_dir / "log" / f"{name}.log"
        if log_file.exists():
            log_file.replace(log_file.with_suffix(".log.1"))
        return Part(name, argv, log_file, env, patience_s=patience_s)

    def _begin_again_with(self, env: dict[str, str]) -> None:
        """The settings of this process name a broker that this machine does not have: start over with what it has."""
        if any(os.environ.get(name) != value for name, value in env.items()):
            os.environ.update(env)
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - the same program, a fixed argv

    def _start_broker(self, broker: Broker) -> None:
        if broker.argv is None or broker.socket is None:
            return
        broker.socket.unlink(missing_ok=True)
        part = self._part("broker", broker.argv, {}, 5.0)
        self.parts.append(part)
        part.start()
        self._until(lambda: _connects(broker.socket), part, "the broker")

    def _await(self, name: str, is_ready: Callable[[], bool], what: str) -> None:
        part = next((part for part in self.parts if part.name == name), None)
        self._until(is_ready, part, name)
        if not self.stopping.is_set():
            self._report(name, what)

    def _until(self, is_ready: Callable[[], bool], part: Part | None, name: str) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not is_ready():
            if self.stopping.wait(0.1):
                return
            for started in self.parts:
                started.revive()
            if time.monotonic() > deadline:
                where = f" Its output: {part.log_file}" if part else f" Their output: {self.data_dir / 'log'}"
                raise CannotStart(f"{name} did not come up within {START_LIMIT_S:g} s.{where}")

    def _report(self, name: str, what: str) -> None:
        self.say(f"  ok  {name:<10}{what}")

    def _databases(self) -> str:
        return ", ".join(
            f"{alias}: {connections[alias].vendor} {connections[alias].settings_dict['NAME']}" for alias in connections
        )

    def _web_answers(self) -> bool:
        host = "127.0.0.1" if settings.DC_WEB_HOST in ("", "0.0.0.0", "::") else settings.DC_WEB_HOST  # noqa: S104
        connection = http.client.HTTPConnection(host, settings.DC_WEB_PORT, timeout=5)
        try:
            connection.request("GET", "/admin/login/", headers={"Host": settings.ALLOWED_HOSTS[0]})
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()

    def _be_alone(self) -> None:
        """One platform per data folder, and a port that is free."""
        folder = self.data_dir / "run"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = (folder / "up.lock").open("a+")
        except OSError as error:
            raise CannotStart(f"{folder} cannot be used: {error.strerror}. Choose another: DC_DATA_DIR.") from None
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"The platform of {self.data_dir} is up already. Open {self.url}") from None
        with socket.socket(socket.AF_INET6 if ":" in settings.DC_WEB_HOST else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.DC_WEB_HOST, settings.DC_WEB_PORT))
            except OSError as error:
                raise CannotStart(
                    f"{settings.DC_WEB_HOST} port {settings.DC_WEB_PORT} cannot be used: {error.strerror}. "
                    "Choose another: DC_WEB_PORT=8001 make up"
                ) from None

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self.stopping.set()
        if self._signals > 1:
            for part in self.parts:
                with suppress(ProcessLookupError):
                    os.killpg(part.process.pid, signal.SIGKILL) if part.process else None

    def _stop(self) -> None:
        """The clock and the runs first, side by side; then the pages, and what all of them used."""
        if self.parts:
            self.say("Stopping: runs may finish what they are at. Press Ctrl-C again to end at once.")
        for names in (("beat", "worker", "manager"), ("web",), ("broker",)):
            together = [part for part in self.parts if part.name in names]
            for part in together:
                part.ask_to_end()
            for part in together:
                part.await_end()
        if self.parts:
            self.say("Stopped.")


def _connects(path: Path | None) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
