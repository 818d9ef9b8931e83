"""Which forkserver serves: one at a time, made anew when it dies and when code or settings have changed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import structlog

from apps.runtime.supervision.fingerprint import Fingerprint
from apps.runtime.supervision.host import Host
from apps.runtime.supervision.warm import WarmProcess

log = structlog.get_logger("supervision")

#: After so many deaths within so many seconds runs are started cold, until the seconds are over or the code changes.
MAX_DEATHS, WINDOW_S = 3, 300.0


@dataclass(slots=True)
class Fleet:
    """The forkserver in service."""

    host: Host
    is_wanted: bool = True
    current: WarmProcess | None = None
    _deaths: list[float] = field(default_factory=list)
    _made_from: int = 0
    _fingerprint: Fingerprint = field(init=False)

    def __post_init__(self) -> None:
        root = self.host.root
        folders = [root / name for name in ("apps", "collectors", "config")]
        self._fingerprint = Fingerprint([*folders, *self.host.sources], [root / ".env"])

    def in_service(self) -> WarmProcess | None:
        """A forkserver made from the code as it is now; None while there cannot be one."""
        if not self.is_wanted:
            return None
        value = self._fingerprint.value()
        if value != self._made_from and not (self.current and self.current.waiting):
            self._made_from = value
            self._deaths.clear()
            if self.current is not None:
                log.info("forkserver.outdated", pid=self.current.process.pid)
                self.close()
        if self.current is None and self._may_launch():
            try:
                self.current = WarmProcess.launch(self.host.entry, cwd=self.host.root, env=self.host.env())
            except OSError as error:
                self._died(str(error))
        return self.current

    def lose(self, warm: WarmProcess) -> None:
        """It is dead, or is to be because it hangs."""
        self.current = None
        warm.end()
        self._died(f"code {warm.process.returncode}")

    def pids(self) -> set[int]:
        """The process of the one in service."""
        return {self.current.process.pid} if self.current is not None else set()

    def close(self) -> None:
        """End it."""
        if self.current is not None:
            self.current.end()
            self.current = None

    def _may_launch(self) -> bool:
        now = time.monotonic()
        self._deaths = [moment for moment in self._deaths if now - moment < WINDOW_S]
        return len(self._deaths) < MAX_DEATHS

    def _died(self, how: str) -> None:
        self._deaths.append(time.monotonic())
        log.warning("forkserver.died", how=how, deaths=len(self._deaths))
