"""The writing end of a journal: one file, one process, any thread.

A line costs one `write(2)` and nothing else: no database, no network, no waiting. What was written survives the death
of the process; what a power cut can take is bounded by `fsync`, once a second and at once for what is urgent.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from collectors.toolkit.journal.framing import dump, encode, frame, line_text, needs_cutting, plain
from collectors.toolkit.journal.places import Place
from collectors.toolkit.journal.reader import read_frames
from collectors.toolkit.journal.redaction import Redactor

SUFFIX = ".journal"

Fsync = Literal["second", "line"]


class Journal:
    """One journal file. `write` never raises and never blocks on anything but the disk.

    A disk that is full costs lines, never the caller: the torn end is cut off, the lines are counted, and the first
    frame after there is space again is a `gap` that says how many are missing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        about: Callable[[], Mapping[str, Any]],
        redactor: Redactor | None = None,
        fsync: Fsync = "second",
        clock: Callable[[], float] = time.time,
        ticking: bool = True,
    ) -> None:
        """Open a new file in `folder`; `about()` says whose it is and becomes part of its first frame, `open`.

        Without `ticking` there is no thread: whoever writes calls `sync` once a second. Raises `OSError` when the file
        cannot be made.
        """
        self.folder = folder
        self._about = about
        self.redactor = redactor or Redactor()
        self.dropped = 0
        self._fsync_each = fsync == "line"
        self._clock = clock
        self._is_ticking = ticking
        #: Called once a second from the thread of the journal; not in a process forked from this one.
        self.each_second: Callable[[], object] | None = None
        self._lock = threading.RLock()
        self._open(None)

    def _open(self, parent: str | None) -> None:
        self.id = uuid.uuid4().hex
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / f"{self.id}{SUFFIX}"
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._pid = os.getpid()
        self._seq, self._size = 0, 0
        self._dirty = self._suspect = self._closed = False
        self._dropped_since: float | None = None
        self._wake = threading.Event()
        # A new file is safe only when its folder is on disk too: before the first frame that has to be.
        self._is_new = True
        about = {**self._about(), "journal": self.id, **({"parent_journal": parent} if parent else {})}
        self.write("open", about)
        if self._is_ticking:
            threading.Thread(target=self._sync_each_second, args=(self._wake,), name="journal", daemon=True).start()

    def write(self, kind: str, data: Mapping[str, Any], *, at: float | None = None, urgent: bool = False) -> bool:
        """Append one frame. False when it was lost, which is counted; `urgent` frames are on disk when this returns."""
        try:
            text = dump(data)
            if self.redactor.needs_work(data, text):
                text = dump(self.redactor.redact(plain(data)))
            return self._write_text(kind, text, at, urgent=urgent)
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller's work goes on
            self._count_drop()
            return False

    def write_line(self, event: str, place: Place, context: dict[str, Any], *, at: float | None = None) -> bool:
        """`write("log", ...)` of what nearly every line is, in half of the time: no error, not urgent."""
        try:
            values = encode(context)
            text = line_text(event, place.text, values)
            is_fine = not (needs_cutting(text) or self.redactor.finds(context, values, text))
        except Exception:  # noqa: BLE001 - JSON cannot hold it as it is; `write` knows what to do
            is_fine = False
        if not is_fine:
            return self.write("log", {"event": event, **place.fields, **({"c": context} if context else {})}, at=at)
        try:
            return self._write_text("log", text, at, urgent=False)
        except Exception:  # noqa: BLE001 - as above
            self._count_drop()
            return False

    def _write_text(self, kind: str, text: bytes, at: float | None, *, urgent: bool) -> bool:
        if self._pid != os.getpid():
            # After a fork two processes would write one file, which loses frames: the child begins its own. Before
            # the lock, which a thread that the child does not have may hold for ever.
            self._reopen()
        with self._lock:
            return self._append(kind, self._clock() if at is None else at, text, urgent=urgent)

    def _append(self, kind: str, at: float, text: bytes, *, urgent: bool) -> bool:
        if self._closed:
            return False
        if self._suspect:
            self._find_end()
        if self.dropped and self._dropped_since is not None and kind != "gap":
            gap = dump({"dropped": self.dropped, "since": self._dropped_since})
            if not self._append_frame(frame(self._seq + 1, "gap", at, gap)):
                self._count_drop()
                return False
            self.dropped, self._dropped_since = 0, None
        if not self._append_frame(frame(self._seq + 1, kind, at, text)):
            self._count_drop()
            return False
        if urgent or self._fsync_each:
            self._to_disk()
        else:
            self._dirty = True
        return True

    def _append_frame(self, line: bytes) -> bool:
        # An exception from a signal handler may strike between the write and the count: the file then knows best.
        self._suspect = True
        try:
            written = os.write(self._fd, line)
        except OSError:
            self._suspect = False
            return False
        if written != len(line):
            os.ftruncate(self._fd, self._size)
            self._suspect = False
            return False
        self._seq += 1
        self._size += written
        self._suspect = False
        return True

    def _find_end(self) -> None:
        frames = read_frames(self.path).frames
        self._seq = frames[-1].seq if frames else 0
        self._size = frames[-1].end if frames else 0
        os.ftruncate(self._fd, self._size)
        self._suspect = False

    def _count_drop(self) -> None:
        with self._lock:
            self.dropped += 1
            if self._dropped_since is None:
                self._dropped_since = self._clock()

    def _reopen(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._fd)
        self._lock = threading.RLock()
        self.dropped = 0
        self.each_second = None
        self._open(self.id)

    def _sync_each_second(self, wake: threading.Event) -> None:
        while not wake.wait(1.0):
            if self._wake is not wake:
                return
            if self.each_second is not None:
                with contextlib.suppress(Exception):
                    self.each_second()
            self.sync()

    def sync(self) -> None:
        """Have everything that was written on disk."""
        if self._dirty and not self._closed:
            self._dirty = False
            with contextlib.suppress(OSError):
                self._to_disk()

    def _to_disk(self) -> None:
        if self._is_new:
            self._is_new = False
            _sync_folder(self.folder)
        os.fsync(self._fd)

    def close(self) -> None:
        """Seal the journal: its last frame says that nothing follows."""
        if self._closed or self._pid != os.getpid():
            return
        self.write("seal", {}, urgent=True)
        with self._lock:
            self._closed = True
            self._wake.set()
            os.close(self._fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
