"""The secrets that this process has met: configured, decrypted, handed over. Its redactors mask them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

#: Of a value of several lines, a shorter line is not looked for by itself: "{" and "-----" are no secrets.
SHORTEST_LINE = 8


class KnownSecrets:
    """What to mask. `version` changes with every addition, so that whoever keeps a copy knows that it is old."""

    def __init__(self) -> None:
        self.version = 0
        self._lock = threading.Lock()
        self._values: frozenset[str] = frozenset()
        self._spellings: frozenset[str] = frozenset()

    def learn(self, *values: str) -> None:
        """Mask these from now on."""
        # As plain texts: what is a kind of text prints as it likes, and its spellings would be others.
        new = {str(value) for value in values if value} - self._values
        if not new:
            return
        with self._lock:
            self._values |= new
            self._spellings |= {spelling for value in new for spelling in spellings(value)}
            self.version += 1

    @contextmanager
    def for_a_while(self) -> Iterator[None]:
        """What is learned in the block is forgotten at its end: tests share a process, and no secrets."""
        values, spelled = self._values, self._spellings
        try:
            yield
        finally:
            with self._lock:
                self._values, self._spellings = values, spelled
                self.version += 1

    def spellings(self) -> frozenset[str]:
        """Everything to look for in a text."""
        return self._spellings


def spellings(value: str) -> set[str]:
    """A secret as it may stand in a text: as it is, inside of JSON, of a Python literal, of a URL; its longer lines."""
    whole = value.encode("utf-8", "replace")
    found = {value, value.strip(), quote(whole, safe=""), quote(whole), quote_plus(whole)}
    found |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    lines = value.splitlines()
    if len(lines) > 1:
        found |= {line.strip() for line in lines if len(line.strip()) >= SHORTEST_LINE}
    return found


#: Those of this process, as `service` is its logging.
known = KnownSecrets()
