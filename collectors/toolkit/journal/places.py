"""What lines have in common that are said in the same place, worked out once for each."""

from __future__ import annotations

from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, NamedTuple

from collectors.toolkit.journal.framing import dump

#: A program says things in few places and very often; beyond so many, they are learnt anew.
MAX_PLACES = 10_000

_FIELDS = ("level", "logger", "module", "function", "line", "thread", "chain")


class Place(NamedTuple):
    """Where and by whom a line was said, and of what level: everything of it but its event and its context."""

    fields: dict[str, Any]
    text: bytes
    """The same as JSON: `,"level":20,"logger":"source.x"` and so on."""
    code: CodeType | None = None
    """Kept, so that no other code can have its address."""


class Places:
    """Places by what tells them apart."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Place] = {}

    def of_frame(self, frame: FrameType, level: int, logger: str, thread: str, chain: str) -> Place:
        """The place where a frame stands."""
        code = frame.f_code
        # The hash of code is worked out from all of its constants each time, and a line number is looked up in a table.
        key = (id(code), frame.f_lasti, level, logger, thread, chain)
        place = self._known.get(key)
        if place is None:
            where = (PurePath(code.co_filename).stem, code.co_name, frame.f_lineno)
            place = self._keep(key, (level, logger, *where, thread, chain), code)
        return place

    def of_fields(self, *fields: Any) -> Place:
        """The place that these fields name: level, logger, module, function, line, thread and call chain."""
        return self._known.get(fields) or self._keep(fields, fields, None)

    def _keep(self, key: tuple[Any, ...], values: tuple[Any, ...], code: CodeType | None) -> Place:
        fields = dict(zip(_FIELDS, values, strict=True))
        if not fields["chain"]:
            del fields["chain"]
        if len(self._known) >= MAX_PLACES:
            self._known.clear()
        place = self._known[key] = Place(fields, b"," + dump(fields)[1:-1], code)
        return place
