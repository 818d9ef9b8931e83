"""The forms a file can have."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from apps.records.exports.cells import Column, as_text, compact, guarded, json_line

Rows = Sequence[Sequence[Any]]
UTF8_BOM = b"\xef\xbb\xbf"


class Form(ABC):
    """A file that is written from the front to the back; each piece can be sent before the next is made."""

    suffix: ClassVar[str]
    content_type: ClassVar[str]

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns

    def begin(self) -> bytes:
        """What stands before the rows."""
        return b""

    @abstractmethod
    def add(self, rows: Rows) -> bytes:
        """The next rows; empty where the form keeps them until the end."""

    def end(self) -> Iterator[bytes]:
        """What comes behind the rows."""
        return iter(())

    def close(self) -> None:  # noqa: B027 - most forms hold nothing
        """Let go of whatever the form holds, also when its end was never reached."""


class Csv(Form):
    """RFC 4180 in UTF-8. Texts that a spreadsheet would obey have an apostrophe before them."""

    suffix = "csv"
    content_type = "text/csv; charset=utf-8"

    def begin(self) -> bytes:
        return self._lines([[column.name for column in self.columns]])

    def add(self, rows: Rows) -> bytes:
        is_json = [column.is_json for column in self.columns]
        return self._lines(
            [_csv_cell(value, is_json=kind) for value, kind in zip(row, is_json, strict=True)] for row in rows
        )

    def _lines(self, rows: Any) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        return text.getvalue().encode("utf-8", "replace")


class CsvForExcel(Csv):
    """The same with a byte order mark, without which Excel takes UTF-8 for the code page of its machine."""

    def begin(self) -> bytes:
        return UTF8_BOM + super().begin()


class JsonLines(Form):
    """An object a line; nothing is guarded, because nothing obeys it."""

    suffix = "jsonl"
    content_type = "application/x-ndjson"

    def add(self, rows: Rows) -> bytes:
        names = [column.name for column in self.columns]
        return b"".join(json_line(dict(zip(names, row, strict=True))) for row in rows)


def _csv_cell(value: Any, *, is_json: bool) -> str:
    if is_json:
        return "" if value is None else compact(value)
    return guarded(value) if isinstance(value, str) else as_text(value)
