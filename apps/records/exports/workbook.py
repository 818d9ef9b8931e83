"""Rows as an Excel workbook: the one module that knows xlsxwriter."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]  # ships annotations, but no py.typed

from apps.records.exports.cells import Column, as_text, compact, is_formula
from apps.records.exports.files import Form, Rows

#: What a sheet and a cell can hold, by Excel's specification.
SHEET_ROWS = 1_048_576
CELL_UNITS = 32_767
#: Excel keeps 15 digits of a number, and counts days from 1900 with a day too many before March.
DIGITS = 15
FIRST_DAY = date(1900, 3, 1)
PIECE = 256 * 1024


class Workbook(Form):
    """Texts are cells of text, whatever they begin with; numbers, dates and booleans are cells of their kind.

    Rows go to a temporary file as they come; the workbook is put together at the end. What a sheet cannot hold goes on
    another one.
    """

    suffix = "xlsx"
    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    def __init__(self, columns: Sequence[Column], *, sheet_rows: int = SHEET_ROWS) -> None:
        super().__init__(columns)
        self._sheet_rows = sheet_rows
        self._folder = tempfile.TemporaryDirectory(prefix="export-")
        self._path = Path(self._folder.name, "rows.xlsx")
        self._book = xlsxwriter.Workbook(
            str(self._path), {"constant_memory": True, "tmpdir": self._folder.name, "use_zip64": True}
        )
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._moment = self._book.add_format({"num_format": 'yyyy-mm-dd hh:mm:ss.000" UTC"'})
        # With the prefix a text stays a text also after somebody has edited the cell.
        self._guarded = self._book.add_format({"quote_prefix": True})
        self._plain = self._book.add_format()
        self._bold = self._book.add_format({"bold": True})
        self._sheets = 0
        self._add_sheet()

    def add(self, rows: Rows) -> bytes:
        for row in rows:
            if self._row == self._sheet_rows:
                self._add_sheet()
            for place, (column, value) in enumerate(zip(self.columns, row, strict=True)):
                if value is not None:
                    self._write(place, compact(value) if column.is_json else value)
            self._row += 1
        return b""

    def end(self) -> Iterator[bytes]:
        self._book.close()
        with self._path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def close(self) -> None:
        for sheet in self._book.worksheets():
            handle = sheet.row_data_fh
            if handle is not None and not handle.closed:
                handle.close()
        self._folder.cleanup()

    def _add_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet("Rows" if self._sheets == 1 else f"Rows {self._sheets}")
        self._sheet.freeze_panes(1, 0)
        for place, column in enumerate(self.columns):
            self._sheet.write_string(0, place, column.name, self._bold)
        self._row = 1

    def _write(self, place: int, value: Any) -> None:
        match value:
            case bool():
                self._sheet.write_boolean(self._row, place, value)
            case int() if abs(value) < 10**DIGITS:
                self._sheet.write_number(self._row, place, value)
            case float() if math.isfinite(value):
                self._sheet.write_number(self._row, place, value)
            case Decimal() if value.is_finite() and len(value.as_tuple().digits) <= DIGITS:
                self._sheet.write_number(self._row, place, float(value))
            case datetime() if value.tzinfo is not None and value.astimezone(UTC).date() >= FIRST_DAY:
                self._sheet.write_datetime(self._row, place, value.astimezone(UTC).replace(tzinfo=None), self._moment)
            case date() if not isinstance(value, datetime) and value >= FIRST_DAY:
                self._sheet.write_datetime(self._row, place, value, self._day)
            case str():
                self._write_text(place, value)
            case _:
                self._write_text(place, as_text(value))

    def _write_text(self, place: int, text: str) -> None:
        text = fitting(text.encode("utf-8", "replace").decode() if not text.isascii() else text)
        cell_format = self._guarded if is_formula(text) else None
        if text.startswith("<r>") and text.endswith("</r>"):
            # The library takes such a text for markup of its own and writes it as it is; as two pieces it is escaped.
            self._sheet.write_rich_string(self._row, place, text[:1], self._plain, text[1:])
        else:
            self._sheet.write_string(self._row, place, text, cell_format)


def fitting(text: str) -> str:
    """The text, or as much of it as a cell of Excel holds, and how much is missing."""
    if len(text) <= CELL_UNITS // 2 or _units(text) <= CELL_UNITS:
        return text
    kept = text[: CELL_UNITS - 100]
    while _units(kept) > CELL_UNITS - 100:
        kept = kept[: len(kept) - max(1, (_units(kept) - CELL_UNITS + 100) // 2)]
    return f"{kept}… ({len(text) - len(kept)} characters more, which a cell cannot hold: export CSV or JSONL)"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
