"""Dates as people write them: with the names of months, in the order of the locale, or as ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

from babel.dates import get_date_format, get_month_names

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing.numbers import known_locale

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_NUMBERS = re.compile(r"(\d{1,4})\s*[./-]\s*(\d{1,2})\s*[./-]\s*(\d{1,4})\.?")
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_TIME = re.compile(
    r"[,T\s]+(?:u |um |at |kl\. )?(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?\s*(h|Uhr|sati|[ap]\.?m\.?)?$", re.IGNORECASE
)
#: Years of two digits, as POSIX reads them: 69 is 1969, 68 is 2068.
_PIVOT = 69
LONGEST = 80


def parse_date(text: str, locale: str = "en") -> date:
    """The date in `text`: "3. siječnja 2026." (hr), "3. März 2026" (de), "March 3, 2026" (en), "3/1/26", "2026-01-03".

    Raises `ParseError` for everything else.
    """
    shown = " ".join(text.split())
    found = _date(shown, locale) if len(shown) <= LONGEST else None
    if found is None:
        raise ParseError(f"{shown[:LONGEST]!r} is not a date as {known_locale(locale).english_name} writes it.")
    return found


def parse_datetime(text: str, locale: str = "en", *, zone: str) -> datetime:
    """The moment in `text`, a date with a time of day in the time zone `zone`; aware, in UTC.

    A time that a change of clocks skips or repeats is the first it can be. Raises `ParseError`.
    """
    shown = " ".join(text.split())
    clock = _TIME.search(shown[:LONGEST])
    if clock is None:
        raise ParseError(f"{shown[:LONGEST]!r} is not a date with a time of day.")
    hour, half = int(clock[1]), (clock[4] or "").lower().replace(".", "")
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            raise ParseError(f"{shown!r} is not a time of day.")
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        moment = time(hour, int(clock[2]), int(clock[3] or 0))
    except ValueError:
        raise ParseError(f"{shown!r} is not a time of day.") from None
    day = parse_date(shown[: clock.start()], locale)
    return datetime.combine(day, moment, ZoneInfo(zone)).astimezone(UTC)


def _date(text: str, locale: str) -> date | None:
    if iso := _ISO.fullmatch(text):
        return _made(int(iso[1]), int(iso[2]), int(iso[3]))
    if numbers := _NUMBERS.fullmatch(text):
        return _from_numbers([numbers[1], numbers[2], numbers[3]], _order(locale))
    return _from_words(text, locale)


def _from_numbers(parts: list[str], order: str) -> date | None:
    if len(parts[0]) == 4:
        order = "yMd"
    by_field = dict(zip(order, parts, strict=True))
    if len(by_field["y"]) not in (2, 4) or len(by_field["d"]) > 2 or len(by_field["M"]) > 2:
        return None
    return _made(_year(by_field["y"]), int(by_field["M"]), int(by_field["d"]))


def _from_words(text: str, locale: str) -> date | None:
    months = _months(locale)
    words = _WORDS.findall(text.casefold())
    named = [months[word] for word in words if word in months]
    numbers = [word for word in words if word.isascii() and word.isdigit()]
    if len(named) != 1 or len(numbers) != 2:
        return None
    years = [number for number in numbers if len(number) == 4]
    day, year = (numbers[1], numbers[0]) if years and numbers[0] == years[0] else (numbers[0], numbers[1])
    return _made(_year(year), named[0], int(day)) if len(year) in (2, 4) and len(day) <= 2 else None


@cache
def _months(locale: str) -> dict[str, int]:
    """Every way the locale writes a month -> its number."""
    known = known_locale(locale)
    names: dict[str, int] = {}
    for width in ("wide", "abbreviated"):
        for context in ("format", "stand-alone"):
            for number, name in get_month_names(width, context, known).items():
                names[str(name).casefold().rstrip(".")] = number
    return names


@cache
def _order(locale: str) -> str:
    """The order of day, month and year: "dMy" in Europe, "Mdy" in the United States."""
    pattern = get_date_format("short", known_locale(locale)).pattern
    return "".join(dict.fromkeys(letter for letter in pattern if letter in "dMy"))


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    return year + (1900 if year >= _PIVOT else 2000)


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
