"""What stands in exported files, read back by readers that others wrote."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.records.exports.cells import Column, guarded, is_formula
from apps.records.exports.files import UTF8_BOM, Csv, CsvForExcel, Form, JsonLines
from apps.records.exports.workbook import CELL_UNITS, Workbook, fitting

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''=1", "\uff1d1", "=cmd|' /C calc'!A0"]
MARKUP = "<r><t>x</t></r></is></c><c r='B2'><f>1+1</f></c><r></r>"

#: What a database can hold: no NUL, no half characters.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
odd_texts = st.one_of(texts, st.sampled_from([*FORMULAS, MARKUP, "_x0041_", "\ufffe", "\x01\x1f", " a "]))


def written(form: Form, rows: Iterable[Sequence[Any]]) -> bytes:
    with closing(form):
        return b"".join([form.begin(), form.add(list(rows)), *form.end()])


def columns(*names: str, json_ones: tuple[str, ...] = ()) -> list[Column]:
    return [Column(name, name, name in json_ones) for name in names]


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and is_formula(text) else text


def read_workbook(content: bytes) -> dict[str, list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    return {sheet.title: list(sheet.iter_rows()) for sheet in book.worksheets}


@given(st.lists(st.tuples(odd_texts, odd_texts), max_size=8))
def test_texts_come_back_from_csv_as_they_were_and_none_begins_like_a_formula(rows: list[tuple[str, str]]) -> None:
    header, *lines = read_csv(written(Csv(columns("a", "b")), rows))
    assert header == ["a", "b"]
    assert [tuple(map(unguarded, line)) for line in lines] == rows
    assert not any(cell[:1] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20" for line in lines for cell in line if cell)


@given(st.lists(st.tuples(odd_texts, odd_texts), max_size=8))
def test_texts_in_a_workbook_are_texts_whatever_they_begin_with(rows: list[tuple[str, str]]) -> None:
    content = written(Workbook(columns("a", "b")), rows)
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")
    cells = [cell for row in read_workbook(content)["Rows"] for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr"}


@pytest.mark.parametrize("text", [*FORMULAS, MARKUP, "žćč 😀", "two\nlines", " spaces ", "<b>&amp;</b>"])
def test_a_text_comes_back_from_a_workbook_as_it_was(text: str) -> None:
    (cell,) = read_workbook(written(Workbook(columns("a")), [[text]]))["Rows"][1]
    assert str(cell.value).replace("_x000D_", "\r") == text


@pytest.mark.parametrize("text", ["a\x00b", "a\x01b", "a\x1fb", "a\ufffeb", "a\uffffb", "_x0041_"])
def test_characters_that_xml_forbids_are_written_as_excel_writes_them(text: str) -> None:
    (cell,) = read_workbook(written(Workbook(columns("a")), [[text]]))["Rows"][1]
    escaped = "".join(f"_x{ord(c):04X}_" if c in "\x00\x01\x1f\ufffe\uffff" else c for c in text)
    assert cell.value in (text, escaped, "_x005F_x0041_")


def test_half_a_character_stops_no_export() -> None:
    for form in (Csv, JsonLines, Workbook):
        assert written(form(columns("a")), [["a\ud800b"]])


def test_an_edited_formula_cell_stays_a_text_in_excel() -> None:
    (cell,) = read_workbook(written(Workbook(columns("a")), [["=1+1"]]))["Rows"][1]
    assert cell.style.quotePrefix if hasattr(cell.style, "quotePrefix") else cell.quotePrefix


VALUES: list[tuple[Any, str, Any]] = [
    (None, "", None),
    (True, "true", True),
    (-7, "-7", -7),
    (10**17 + 1, "100000000000000001", "100000000000000001"),
    (Decimal("-9.90"), "-9.90", -9.9),
    (Decimal("1E+3"), "1000", 1000),
    (Decimal("123456789012345.678"), "123456789012345.678", "123456789012345.678"),
    (1.5, "1.5", 1.5),
    (float("nan"), "NaN", "NaN"),
    (float("-inf"), "-Infinity", "-Infinity"),
    (date(2026, 10, 31), "2026-10-31", datetime(2026, 10, 31)),  # noqa: DTZ001 - Excel knows no zones
    (date(1850, 1, 2), "1850-01-02", "1850-01-02"),
    (
        datetime(2026, 10, 31, 14, 30, 0, 123000, tzinfo=UTC),
        "2026-10-31T14:30:00.123000+00:00",
        datetime(2026, 10, 31, 14, 30, 0, 123000),  # noqa: DTZ001
    ),
    (time(14, 30), "14:30:00", "14:30:00"),
    (timedelta(days=-1, microseconds=5), "-86399.999995", "-86399.999995"),
    (UUID(int=5), "00000000-0000-0000-0000-000000000005", "00000000-0000-0000-0000-000000000005"),
    (b"\x00\xff", "AP8=", "AP8="),
]


@pytest.mark.parametrize(("value", "in_csv", "in_workbook"), VALUES)
def test_every_kind_of_value_has_its_form(value: Any, in_csv: str, in_workbook: Any) -> None:
    assert read_csv(written(Csv(columns("a", "b")), [[value, 1]]))[1] == [in_csv, "1"]
    cell = read_workbook(written(Workbook(columns("a", "b")), [[value, 1]]))["Rows"][1][0]
    assert cell.value == in_workbook
    assert type(cell.value) is type(in_workbook)


def test_json_is_written_as_json_texts_included() -> None:
    rows: list[list[Any]] = [[{"ž": [1, None, Decimal("1.50")]}], ["=1+1"], [None]]
    assert [
        line[0] if line else ""
        for line in read_csv(written(Csv(columns("a", "b", json_ones=("a",))), [[*row, "x"] for row in rows]))[1:]
    ] == [
        '{"ž":[1,null,"1.50"]}',
        '"=1+1"',
        "",
    ]
    lines = written(JsonLines(columns("a", json_ones=("a",))), rows).splitlines()
    assert [json.loads(line)["a"] for line in lines] == [{"ž": [1, None, "1.50"]}, "=1+1", None]


def test_json_lines_are_exact_and_tell_nothing_from_empty() -> None:
    rows = [
        [text] for text in [*FORMULAS, "", None, True, -1, Decimal("9.90"), 2**70, datetime(2026, 1, 1, tzinfo=UTC)]
    ]
    lines = written(JsonLines(columns("a")), rows).decode().splitlines()
    expected = [*FORMULAS, "", None, True, -1, "9.90", 2**70, "2026-01-01T00:00:00+00:00"]
    assert [json.loads(line)["a"] for line in lines] == expected


def test_csv_for_excel_says_that_it_is_utf_8() -> None:
    plain, marked = (written(form(columns("a")), [["ž"]]) for form in (Csv, CsvForExcel))
    assert marked == UTF8_BOM + plain
    assert plain == b"a\r\n\xc5\xbe\r\n"


def test_what_a_sheet_cannot_hold_goes_on_another_one() -> None:
    sheets = read_workbook(written(Workbook(columns("n"), sheet_rows=4), [[number] for number in range(7)]))
    assert {name: [row[0].value for row in rows] for name, rows in sheets.items()} == {
        "Rows": ["n", 0, 1, 2],
        "Rows 2": ["n", 3, 4, 5],
        "Rows 3": ["n", 6],
    }


@pytest.mark.parametrize("character", ["a", "ž", "😀"])
def test_a_text_longer_than_a_cell_is_cut_and_says_so(character: str) -> None:
    text = character * CELL_UNITS * 2
    cut = fitting(text)
    assert len(cut.encode("utf-16-le")) // 2 <= CELL_UNITS
    kept = cut.partition("…")[0]
    assert f"… ({len(text) - len(kept)} characters more, which a cell cannot hold" in cut
    (cell,) = read_workbook(written(Workbook(columns("a")), [[text]]))["Rows"][1]
    assert cell.value == cut


def test_a_workbook_that_is_given_up_leaves_no_file_behind() -> None:
    before = set(Path(tempfile.gettempdir()).glob("export-*"))
    form = Workbook(columns("a"), sheet_rows=3)
    form.add([["x"]] * 5)
    assert set(Path(tempfile.gettempdir()).glob("export-*")) > before
    form.close()
    assert set(Path(tempfile.gettempdir()).glob("export-*")) <= before


def test_the_guard_can_be_taken_away_again() -> None:
    assert guarded("=1") == "'=1"
    assert guarded("'=1") == "''=1"
    assert guarded("it's") == "it's"
    assert guarded("'quoted'") == "'quoted'"
