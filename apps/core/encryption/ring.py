"""The key ring of this process. Where the keys are in a file, a change of the file is noticed at the next use."""

from __future__ import annotations

import threading
from pathlib import Path

from django.conf import settings

from apps.core.encryption.keys import BadKeys, KeyRing, NoKeys, parse_keys
from collectors.toolkit.journal.known import known

Stamp = tuple[int, int, int]


class _Ring:
    """What was read last, and the state of the file then."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.read: tuple[object, KeyRing] | None = None


_ring = _Ring()


def current_ring() -> KeyRing:
    """The keys as they are now. Raises `NoKeys` and `BadKeys`."""
    path = keys_file()
    version = (path, _stamp(path)) if path else str(settings.DC_SECRETS_KEYS)
    with _ring.lock:
        if _ring.read is None or _ring.read[0] != version:
            _ring.read = (version, _read(path))
        return _ring.read[1]


def keys_file() -> Path | None:
    """The file that holds the keys, if they are in one."""
    path: Path | None = settings.DC_SECRETS_KEYS_FILE
    return path


def _read(path: Path | None) -> KeyRing:
    if path is None:
        text = str(settings.DC_SECRETS_KEYS)
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text"
            raise BadKeys(f"The keys in {path} cannot be read: {reason.lower()}.") from None
    ring = KeyRing(parse_keys(text))
    known.learn(*(key.as_text() for key in ring.keys))
    return ring


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise NoKeys(f"The file of the keys for secrets, {path}, is gone: restore it from a backup.") from None
    except OSError as error:
        raise BadKeys(f"The keys in {path} cannot be read: {(error.strerror or 'unknown reason').lower()}.") from None
    return found.st_ino, found.st_mtime_ns, found.st_size
