"""HTML, XML and tables: what is broken is mended or named, what is hostile is refused."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing import html, xml
from collectors.toolkit.parsing.tables import read_csv, read_sheet
from collectors.toolkit.testing.odd_bodies import BROKEN_HTML

PRICES = "<table><tr><th>Code<th>Price</tr><tr><td> A1 <td>9,90\n€</tr></table>"


def test_broken_html_is_mended_as_browsers_do() -> None:
    page = html.parse_html(BROKEN_HTML)

    assert [html.text(cell) for cell in page.css("td")] == ["9,90", "A1 € \ufffd"]


def test_a_table_becomes_rows_by_its_header() -> None:
    assert html.table(html.one(html.parse_html(PRICES), "table")) == [{"Code": "A1", "Price": "9,90 €"}]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (PRICES.replace("<td>9,90", ""), "Row 1 of the table has 1 cells, its header 2"),
        (PRICES.replace("Code", "Price"), "Two columns of the table are called 'Price'"),
    ],
)
def test_a_table_that_is_none_is_said_so(page: str, words: str) -> None:
    with pytest.raises(ParseError, match=words):
        html.table(html.one(html.parse_html(page), "table"))


LOGIN = """<form class=login method=POST action="../enter?x=1"><input type=hidden name=token value="t&amp;1">
<input name=user><input type=checkbox name=stay checked><input type=checkbox name=mail value=1>
<input type=submit name=go value=Go><select name=lang><option>en<option value=hr selected>Croatian</select>
<textarea name=note> hi</textarea></form>"""


def test_a_form_is_what_a_browser_would_send() -> None:
    form = html.form(html.parse_html(LOGIN), "https://shop.example/a/login/", "form.login")

    assert (form.method, form.url) == ("POST", "https://shop.example/a/enter?x=1")
    assert form.filled(user="me") == {"token": "t&1", "user": "me", "stay": "on", "lang": "hr", "note": " hi"}


def test_a_form_without_an_action_goes_to_its_own_page_and_a_field_that_is_not_there_is_named() -> None:
    form = html.form(html.parse_html("<form><input name=q value=1></form>"), "https://shop.example/a?b=1")

    assert (form.method, form.url, form.fields) == ("GET", "https://shop.example/a?b=1", {"q": "1"})
    with pytest.raises(ParseError, match="The form has no field 'user'; it has: q"):
        form.filled(user="me")


def test_what_has_to_be_there_once_is_there_once() -> None:
    with pytest.raises(ParseError, match="has 2 for 'b' where one was expected"):
        html.one(html.parse_html("<b>1</b><b>2</b>"), "b")
    with pytest.raises(ParseError, match="has nothing for 'i'"):
        html.one(html.parse_html("<b>1</b>"), "i")


def test_links_are_absolute_and_each_there_once() -> None:
    page = html.parse_html(
        '<a href="/a#x">1</a><a href="a">2</a><a href="mailto:x@y">3</a><a href="http://[">4</a><a>5</a>'
    )

    assert list(html.links(page, "https://shop.example/")) == ["https://shop.example/a"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "a DTD"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "a DTD"),
        (b"<x>&unknown;</x>", "is no XML"),
        (b"<x><y></x>", "is no XML: .*line 1"),
        (b"", "is no XML"),
        (b"<x>" * 300 + b"</x>" * 300, "more than 200 deep"),
        (b'<?xml version="1.0" encoding="no-such"?><x/>', "is no XML|cannot be read"),
    ],
)
def test_xml_that_hurts_is_refused(document: bytes, words: str) -> None:
    with pytest.raises(ParseError, match=words):
        xml.parse_xml(document)


def test_a_large_document_is_read_element_by_element() -> None:
    document = b"<all>" + b"".join(b"<item><n>%d</n></item>" % number for number in range(1000)) + b"</all>"

    assert [item.findtext("n") for item in xml.iter_xml(document, "item")] == [str(number) for number in range(1000)]
    assert xml.parse_xml(document)[999].findtext("n") == "999"


values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=8)


@given(st.lists(st.tuples(values, values, values), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_csv_is_read_as_it_was_written(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter)
    writer.writerows([("a", "b", "c"), *rows])

    found = read_csv(written.getvalue().encode("utf-8-sig"), delimiter=delimiter)

    assert [tuple(row.values()) for row in found] == [row for row in rows if any(row)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_parts_evenly(delimiter: str) -> None:
    content = "\n".join(delimiter.join(line) for line in [("Šifra", "Cijena"), ('"a,b;c"', "x"), ("b", "y")])

    assert list(read_csv(content.encode("cp1250"), declared="cp1250"))[1] == {"Šifra": "b", "Cijena": "y"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n3\n", "Line 3 has 1 values, the header 2"),
        ("a,a\n1,2\n", "two columns called 'a'"),
        ('a,b\n"1,2\n', "Line 2 is no CSV"),
        ("a,b\n1," + "x" * 200_000, "Line 2 is no CSV: field larger"),
    ],
)
def test_csv_that_is_none_is_an_error_that_names_the_line(content: str, words: str) -> None:
    with pytest.raises(ParseError, match=words):
        list(read_csv(content, delimiter=","))


def sheet(*rows: str) -> bytes:
    """The smallest XLSX there is, with these rows of cells."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{packages}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r" '
        f'Type="{kinds}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{kinds}"><sheets><sheet name="Prices" sheetId="1" '
        'r:id="s1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{packages}/relationships"><Relationship Id="s1" '
        f'Type="{kinds}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{"".join(rows)}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def cells(number: int, *values: str | float) -> str:
    made = "".join(
        f'<c r="{"ABC"[place]}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
        if isinstance(value, str)
        else f'<c r="{"ABC"[place]}{number}"><v>{value}</v></c>'
        for place, value in enumerate(values)
    )
    return f'<row r="{number}">{made}</row>'


def test_a_sheet_becomes_rows_by_its_header() -> None:
    content = sheet(cells(2, "Code", "Price"), cells(3, "A1", 9.5), cells(5, "B2", 7))

    expected = [{"Code": "A1", "Price": 9.5}, {"Code": "B2", "Price": 7}]
    assert list(read_sheet(content)) == list(read_sheet(content, sheet="Prices")) == expected


def test_a_sheet_that_is_not_there_is_said_so() -> None:
    with pytest.raises(ParseError, match="no sheet 'Stock'; its sheets are Prices"):
        list(read_sheet(sheet(cells(1, "a")), sheet="Stock"))


@given(st.binary(max_size=200))
def test_what_is_no_spreadsheet_is_refused(content: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        with pytest.raises(ParseError):
            list(read_sheet(start + content))


def test_a_spreadsheet_that_is_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.toolkit.parsing.tables.LARGEST_UNPACKED", 100_000)

    with pytest.raises(ParseError, match="unpacks to"):
        list(read_sheet(sheet(cells(1, "a" * 200_000))))


def test_the_sample_of_a_source_outside_is_read(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_bytes("Šifra;Cijena\r\nA1;9,90\r\n".encode("cp1250"))

    assert list(read_csv(file.read_bytes(), declared="windows-1250")) == [{"Šifra": "A1", "Cijena": "9,90"}]
