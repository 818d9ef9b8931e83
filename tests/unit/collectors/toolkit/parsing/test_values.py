"""Numbers, dates and encodings, as people write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from babel.dates import format_date
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing.dates import parse_date, parse_datetime
from collectors.toolkit.parsing.encodings import decode, encoding_of
from collectors.toolkit.parsing.numbers import parse_number

LOCALES = ["hr", "de", "en", "en_GB", "fr", "de_CH", "sl", "it", "pl"]


@given(st.decimals(-(10**12), 10**12, places=3), st.sampled_from(LOCALES))
def test_a_number_is_read_as_its_locale_writes_it(number: Decimal, locale: str) -> None:
    assert parse_number(format_decimal(number, locale=locale, format="#,##0.###"), locale) == number


@given(st.text(max_size=30), st.sampled_from(LOCALES))
def test_any_text_is_a_number_or_an_error_that_says_so(text: str, locale: str) -> None:
    with suppress(ParseError):
        assert parse_number(text, locale).is_finite()


@pytest.mark.parametrize(
    ("text", "locale", "number"),
    [
        ("1.234,50 €", "hr", "1234.50"),
        ("CHF 1\u2019234.50", "de_CH", "1234.50"),
        ("1\u202f234,5", "fr", "1234.5"),
        ("\u2212 5,5 °C", "hr", "-5.5"),
        ("12,34,567", "en_IN", "1234567"),
    ],
)
def test_units_and_spaces_are_left_out(text: str, locale: str, number: str) -> None:
    assert parse_number(text, locale) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("9.90", "hr"),
        ("1.2345", "de"),
        ("1,23", "en"),
        ("1e5", "en"),
        ("", "en"),
        ("9,90-12,50", "hr"),
        ("1" * 99, "en"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str, locale: str) -> None:
    with pytest.raises(ParseError, match="is not a number"):
        parse_number(text, locale)


def test_a_locale_that_does_not_exist_is_an_error_of_the_source() -> None:
    with pytest.raises(ValueError, match="'xx' is not a locale"):
        parse_number("1", "xx")


@given(
    st.dates(date(1970, 1, 1), date(2068, 12, 31)),
    st.sampled_from(LOCALES),
    st.sampled_from(["short", "medium", "long", "full"]),
)
def test_a_date_is_read_as_its_locale_writes_it(day: date, locale: str, length: str) -> None:
    assert parse_date(format_date(day, length, locale=locale), locale) == day


@given(st.text(max_size=40), st.sampled_from(LOCALES))
def test_any_text_is_a_date_or_an_error_that_says_so(text: str, locale: str) -> None:
    with suppress(ParseError):
        assert parse_date(text, locale).year > 0


@pytest.mark.parametrize(
    ("text", "locale", "moment"),
    [
        ("3. siječnja 2026. u 14:05", "hr", datetime(2026, 1, 3, 13, 5, tzinfo=UTC)),
        ("3. März 2026 um 9.30 Uhr", "de", datetime(2026, 3, 3, 8, 30, tzinfo=UTC)),
        ("March 3, 2026 12:05 am", "en", datetime(2026, 3, 2, 23, 5, tzinfo=UTC)),
        ("2026-07-03T14:05:59", "hr", datetime(2026, 7, 3, 12, 5, 59, tzinfo=UTC)),
    ],
)
def test_a_moment_is_aware_and_in_utc(text: str, locale: str, moment: datetime) -> None:
    found = parse_datetime(text, locale, zone="Europe/Zagreb")

    assert (found, found.tzinfo) == (moment, UTC)


@pytest.mark.parametrize("text", ["3. siječnja 2026.", "3.1.2026. 25:00", "3.1.2026. 13:00 pm", "31.2.2026. 12:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_datetime(text, "hr", zone="Europe/Zagreb")


@given(st.text(min_size=1, max_size=200), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_a_text_in_unicode_is_read_whatever_is_said_of_it(text: str, used: str) -> None:
    content = text.encode(used, "surrogatepass" if used == "none" else "replace")
    if used != "utf-8" or not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        assert decode(content, "iso-8859-1" if used != "utf-8" else "utf-8") == text


@pytest.mark.parametrize("encoding", ["cp1250", "cp1252", "iso8859-2", "koi8-r", "shift_jis", "gb18030"])
def test_an_encoding_that_is_named_and_fits_is_the_one(encoding: str) -> None:
    text = "Привет" if encoding == "koi8-r" else "日本" if encoding in ("shift_jis", "gb18030") else "Größe"
    page = f'<html><head><meta charset="{encoding}"></head>{text}'.encode(encoding)

    assert decode(page) == page.decode(encoding)
    assert decode(page, encoding) == page.decode(encoding)


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "ascii", "base64", "no-such", "utf-7", "cp1250"]))
def test_any_bytes_have_an_encoding_that_python_knows(content: bytes, declared: str | None) -> None:
    content.decode(encoding_of(content, declared), "replace")
