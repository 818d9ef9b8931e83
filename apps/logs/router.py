"""Which sink gets which lines, and how far each has got.

A sink reads the journals on its own, at its own speed: its cursor is a row of its own, and nothing here holds a lock or
a transaction of the database while a sink is asked. A sink that is away is asked again, less and less often; the
journals wait for it until retention removes them.
"""

from __future__ import annotations

import fcntl
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from django.conf import settings
from django.db import close_old_connections, connections
from django.db.models import F

from apps.core.clock import utc_now
from apps.logs.models import JournalFile, Log, LogRejected, SinkCursor
from apps.logs.sinks import BackOff, EventRefused, Sink, SinkEvent, SinkUnavailable
from apps.logs.splunk import SplunkHECHandler
from collectors.toolkit.journal import Frame, Reading, read_frames

log = structlog.get_logger("sinks")

#: How often a sink looks for new lines, and with it the greatest age of a batch.
PERIOD_S = 1.0
READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """The lines that a sink gets; what is not given does not matter."""

    level: int = 0
    logger: str = ""
    """This logger and those below it."""
    app: str = ""
    """The code of an app, or the beginning of one: `shop` stands for all apps of the group."""

    def takes(self, event: SinkEvent) -> bool:
        """Whether the sink gets this line."""
        return event.level >= self.level and _below(event.logger, self.logger) and _below(event.app, self.app)


class SinkShipper:
    """Sends journals below `root` to one sink. `clock` counts seconds; nothing but the back-off asks it."""

    def __init__(
        self, root: Path, sink: Sink, route: Route | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.root = root
        self.sink = sink
        self.route = route or Route()
        self.back_off = BackOff()
        self._clock = clock
        self._done: set[Path] = set()
        self._about: dict[Path, SinkEvent] = {}

    def ship_all(self) -> None:
        """Send what every journal of this machine holds. Raises `DatabaseError`, and `OSError` for the folder."""
        with _alone(self.root / f".{self.sink.name}.lock") as is_alone:
            if not is_alone:
                return  # another process of this machine does it
            for path in sorted(self.root.glob("*/*.journal")):
                if path in self._done or self._clock() < self.back_off.until:
                    continue
                try:
                    self.ship(path)
                except OSError as error:  # removed this moment, or unreadable: that holds up no other journal
                    log.warning("journal.not_sent", sink=self.sink.name, path=str(path), reason=error.strerror)

    def ship(self, path: Path) -> bool:
        """Send what a journal holds now. True when the sink has all that will ever be in it."""
        journal = JournalFile.objects.filter(node=socket.gethostname(), path=str(path.relative_to(self.root))).first()
        if journal is None or self._clock() < self.back_off.until:
            return False  # the database gets to know a journal first
        cursor, _ = SinkCursor.objects.get_or_create(journal=journal, sink=self.sink.name)
        while not cursor.is_done:
            reading = read_frames(path, cursor.offset, limit=READ_BYTES)
            try:
                self._send(path, cursor, reading.frames)
            except SinkUnavailable as error:
                self._note_failure(cursor, error)
                return False
            is_done = _is_end(reading, journal)
            if reading.end != cursor.offset or is_done:
                self._advance(cursor, reading.end, is_done=is_done)
            if not reading.frames:
                break
        if cursor.is_done:
            self._done.add(path)
            self._about.pop(path, None)
        return cursor.is_done

    def _send(self, path: Path, cursor: SinkCursor, frames: Sequence[Frame]) -> None:
        about = self._about_journal(path, cursor.journal_id)
        events = [self._event(about, frame) for frame in frames if frame.kind == "log"]
        events = [event for event in events if self.route.takes(event)]
        while events:
            try:
                self.sink.write(events)
            except EventRefused as refusal:
                # What stood before it may have been taken: it comes again with its id, rather than not at all.
                self._set_aside(events.pop(refusal.index), str(refusal))
            else:
                break
        if events:
            self._note_success()

    def _event(self, about: SinkEvent, frame: Frame) -> SinkEvent:
        return SinkEvent(about.journal, frame, about.node, about.role, about.runtime, about.app)

    def _about_journal(self, path: Path, journal_id: str) -> SinkEvent:
        """An event with what the first frame of the journal says about all the others."""
        if path not in self._about:
            first = next(iter(read_frames(path, limit=64 * 1024).frames), Frame(0, "open", 0.0, {}, 0))
            said = {name: str(first.data.get(name) or "") for name in ("node", "role", "runtime", "app")}
            self._about[path] = SinkEvent(journal_id, first, **said)
        return self._about[path]

    def _advance(self, cursor: SinkCursor, offset: int, *, is_done: bool) -> None:
        cursor.offset, cursor.is_done, cursor.moved_at = offset, is_done, utc_now()
        cursor.failures, cursor.last_error = 0, ""
        cursor.save(update_fields=["offset", "is_done", "moved_at", "failures", "last_error"])

    def _set_aside(self, event: SinkEvent, reason: str) -> None:
        LogRejected.objects.get_or_create(
            journal_id=event.journal,
            seq=event.frame.seq,
            defaults={
                "kind": event.frame.kind[:20],
                "payload": repr(event.frame.data)[:100_000].replace("\x00", ""),
                "reason": f"{self.sink.name}: {reason}"[:1000],
                "rejected_at": utc_now(),
            },
        )

    def _note_failure(self, cursor: SinkCursor, error: SinkUnavailable) -> None:
        if not self.back_off.failures:
            log.warning("sink.unavailable", sink=self.sink.name, reason=str(error))
        self.back_off.fail(self._clock(), retry_after_s=error.retry_after_s)
        SinkCursor.objects.filter(pk=cursor.pk).update(failures=F("failures") + 1, last_error=str(error)[:2000])

    def _note_success(self) -> None:
        if self.back_off.failures:
            log.info("sink.available", sink=self.sink.name)
        self.back_off.succeed()


@dataclass(slots=True)
class RouterHandler:
    """The sinks of this machine, each with a thread of its own, so that none waits for another."""

    shippers: Sequence[SinkShipper]
    period_s: float = PERIOD_S
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin; every journal of the machine, old and new, is sent to where it has not been sent yet."""
        for shipper in self.shippers:
            name = f"sink-{shipper.sink.name}"
            thread = threading.Thread(target=self._run, args=(shipper,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self, *, wait_s: float = 5.0) -> None:
        """End. A sink that is in the middle of a request for longer than `wait_s` is left behind: nothing is lost."""
        self._stop.set()
        for thread in self._threads:
            thread.join(wait_s)

    def _run(self, shipper: SinkShipper) -> None:
        try:
            while True:
                try:
                    shipper.ship_all()
                except Exception as error:  # noqa: BLE001 - the next turn tries again; a thread that ends does not
                    reason = str(error).strip().partition("\n")[0] or type(error).__name__
                    log.warning("sink.not_shipped", sink=shipper.sink.name, reason=reason)
                    close_old_connections()
                if self._stop.wait(self.period_s):
                    return
        finally:
            shipper.sink.close()
            connections.close_all()


def configured_router(root: Path) -> RouterHandler:
    """The sinks that the settings name; with none of them it does nothing."""
    shippers = []
    if settings.DC_SPLUNK_URL:
        splunk = SplunkHECHandler(
            settings.DC_SPLUNK_URL,
            splunk_token,
            index=settings.DC_SPLUNK_INDEX,
            ca_bundle=settings.DC_SPLUNK_CA_BUNDLE,
            ack=settings.DC_SPLUNK_ACK,
        )
        shippers.append(SinkShipper(root, splunk, Route(level=Log.Level[settings.DC_SPLUNK_LEVEL])))
    return RouterHandler(shippers)


def sink_names() -> list[str]:
    """The sinks that the settings name."""
    return [SplunkHECHandler.name] if settings.DC_SPLUNK_URL else []


def splunk_token() -> str:
    """The token in force: the file that holds it is read each time, so that it can be replaced while we run."""
    if settings.DC_SPLUNK_TOKEN_FILE is not None:
        try:
            return Path(settings.DC_SPLUNK_TOKEN_FILE).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            pass  # while the file is away, the token that it held at the start
    return str(settings.DC_SPLUNK_TOKEN)


def _below(name: str, prefix: str) -> bool:
    return not prefix or name == prefix or name.startswith(f"{prefix}.")


def _is_end(reading: Reading, journal: JournalFile) -> bool:
    """Whether nothing can follow: the journal says so itself, or the database closed it for a writer that died."""
    if reading.frames:
        return reading.frames[-1].kind == "seal"
    return journal.sealed_at is not None


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether this process holds the lock of a file, for the length of a block; it dies with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
