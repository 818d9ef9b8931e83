"""CSV and spreadsheets as rows by the names of their columns."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Iterator
from io import BytesIO, StringIO
from typing import Any

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing.encodings import decode

_DELIMITERS = (",", ";", "\t", "|")
_SNIFFED_LINES = 50
#: What a spreadsheet may unpack to, and how many cells it may have.
LARGEST_UNPACKED = 512 * 1024 * 1024
MOST_CELLS = 20_000_000


def read_csv(
    content: bytes | str, *, delimiter: str | None = None, declared: str | None = None
) -> Iterator[dict[str, str]]:
    """The rows, by the header, which is the first line that is not empty.

    The encoding is found as `encodings.decode` does; the delimiter, where none is given, is the one of , ; tab and |
    that parts the first lines most evenly. Empty lines are left out. Raises `ParseError` that names the line: for a row
    with other values than the header, two columns of one name, or a quote that never ends.
    """
    text = content if isinstance(content, str) else decode(content, declared)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter or _delimiter(text), strict=True)
    return _by_header(_numbered(reader), "Line")


def read_sheet(content: bytes, *, sheet: str | int = 0) -> Iterator[dict[str, Any]]:
    """The rows of a sheet of an XLSX, XLSB, XLS or ODS file, by the header, which is the first row that is not empty.

    Cells are str, int, float, bool, date, time, datetime or timedelta; empty ones are None. Raises `ParseError`.
    """
    from python_calamine import CalamineWorkbook

    _refuse_bombs(content)
    try:
        book = CalamineWorkbook.from_filelike(BytesIO(content))
    except Exception as error:  # noqa: BLE001 - every format has errors of its own, all of them mean this
        raise ParseError(f"The file is no spreadsheet that can be read: {error}.") from None
    names = book.sheet_names
    if (sheet not in names) if isinstance(sheet, str) else not 0 <= sheet < len(names):
        raise ParseError(f"The file has no sheet {sheet!r}; its sheets are {', '.join(names) or 'none'}.")
    try:
        found = book.get_sheet_by_name(sheet) if isinstance(sheet, str) else book.get_sheet_by_index(sheet)
    except Exception as error:  # noqa: BLE001 - as above
        raise ParseError(f"The sheet {sheet!r} cannot be read: {error}.") from None
    if found.total_height * found.total_width > MOST_CELLS:
        raise ParseError(f"The sheet has more than {MOST_CELLS:,} cells.")
    rows = ([None if cell == "" else _plain(cell) for cell in row] for row in found.to_python(skip_empty_area=False))
    return _by_header(enumerate(rows, start=1), "Row")


def _plain(cell: Any) -> Any:
    """Spreadsheets know no whole numbers; what is one is meant as one."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53 else cell


def _by_header(rows: Iterable[tuple[int, list[Any]]], what: str) -> Iterator[dict[str, Any]]:
    header: list[str] | None = None
    for number, row in rows:
        if not any(cell not in (None, "") for cell in row):
            continue
        if header is None:
            header = _header(row, f"{what} {number}")
            continue
        if len(row) != len(header):
            raise ParseError(f"{what} {number} has {len(row)} values, the header {len(header)}.")
        yield dict(zip(header, row, strict=True))


def _header(row: list[Any], where: str) -> list[str]:
    names = ["" if cell is None else str(cell).strip() for cell in row]
    for name in names:
        if names.count(name) > 1:
            raise ParseError(f"{where}, the header, has two columns called {name!r}.")
    return names


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ParseError(f"Line {reader.line_num} is no CSV: {error}.") from None
        yield reader.line_num, row


def _delimiter(text: str) -> str:
    lines = text[: 64 * 1024].splitlines(keepends=True)[:_SNIFFED_LINES]
    if len(text) > 64 * 1024:
        lines = lines[:-1] or lines
    scores = {}
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            scores[delimiter] = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
    return max(scores, key=lambda delimiter: scores[delimiter]) if scores else ","


def _refuse_bombs(content: bytes) -> None:
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ParseError(f"The file is no spreadsheet that can be read: {error}.") from None
    if unpacked > LARGEST_UNPACKED:
        raise ParseError(f"The file unpacks to {unpacked:,} bytes; at most {LARGEST_UNPACKED:,} are read.")
