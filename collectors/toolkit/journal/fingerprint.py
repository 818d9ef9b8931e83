"""Which errors are one: the same kind, raised in the same place, saying the same but for its values.

What differs from one time to the next (numbers, ids, quoted values, line numbers) is masked, so that an error keeps its
fingerprint over runs, machines and small changes of the code.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from pathlib import PurePath
from types import CodeType, TracebackType

#: The innermost frames say where it broke; the outer ones only how one got there.
FRAMES = 5
MAX_CHARS = 1_000

_VALUES = re.compile(
    r"""
      "[^"]*" | (?<!\w)'[^']*'(?!\w)                                                   # quoted, but not the ' of don't
    | \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b
    | \b0x[0-9a-f]+\b
    | \b(?=[a-f]*[0-9])[0-9a-f]{8,}\b                                                  # hex with a digit, so no word
    | [0-9]+(?:[.,:][0-9]+)*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")


def fingerprint(message: str, error: BaseException | None = None, *, logger: str = "") -> str:
    """32 hex digits, equal for errors that are one. Deterministic: no memory, no clock, the same on every machine.

    With an exception, it is its type, its innermost frames and its text that count; without one, what was logged and
    by which logger.
    """
    if error is None:
        parts = ["logged", logger, masked(message)]
    else:
        parts = ["raised", type_name(error), *_frames(error.__traceback__), masked(_text(error))]
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


def masked(text: str) -> str:
    """The text with a `?` in place of every value."""
    return _SPACES.sub(" ", _VALUES.sub("?", text[:MAX_CHARS])).strip()


def type_name(error: BaseException) -> str:
    """The type of an exception as people write it: `TimeoutError`, `httpx.ReadTimeout`."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be printed is still an error to group
        return ""


def _frames(trace: TracebackType | None) -> list[str]:
    """Module and function of the innermost frames: no line numbers, no folders that differ between machines."""
    innermost: deque[CodeType] = deque(maxlen=FRAMES)
    while trace is not None:
        innermost.append(trace.tb_frame.f_code)
        trace = trace.tb_next
    return [f"{'/'.join(PurePath(code.co_filename).parts[-2:])}:{code.co_name}" for code in innermost]
