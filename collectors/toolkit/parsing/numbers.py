"""Numbers as people write them. What could be read in two ways is refused, not guessed."""

from __future__ import annotations

import re
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberFormatError, get_decimal_symbol, get_group_symbol, parse_decimal

from collectors.toolkit.errors import ParseError

_SPACES = dict.fromkeys(map(ord, "\u00a0\u202f\u2009"), " ")
_NUMBER = re.compile(r"[+-]?\d[\d.,'\u2019 ]*|[+-]?[.,]\d+")
_BEFORE_OR_BEHIND = re.compile(r"^[^\d+.,-]*|[^\d]*$")
#: Digits of the longest number; beyond it somebody sends no number.
LONGEST = 60


def parse_number(text: str, locale: str = "en") -> Decimal:
    """The number in `text`, by the rules of a locale such as `hr`, `de` or `en_GB`; a unit around it is left out.

        parse_number("1.234,50 €", "hr") == Decimal("1234.50")
        parse_number("CHF 1'234.50", "de_CH") == Decimal("1234.50")

    Raises `ParseError` for what is no number there: "9.90" in Croatian, where a dot parts thousands.
    """
    known = known_locale(locale)
    shown = " ".join(text.split())[:80]
    bare = _BEFORE_OR_BEHIND.sub("", text.translate(_SPACES).replace("\u2212", "-").strip()).replace("- ", "-")
    if len(bare) > LONGEST or (not bare.isascii() and "\u2019" not in bare) or not _NUMBER.fullmatch(bare):
        raise ParseError(f"{shown!r} is not a number.")
    group = get_group_symbol(known).translate(_SPACES)
    digits = bare.replace(" ", get_group_symbol(known)) if group == " " else bare
    if group in ("'", "\u2019"):
        digits = digits.replace("'", group).replace("\u2019", group)
    if " " in digits or not _grouped_well(digits, get_group_symbol(known), get_decimal_symbol(known)):
        raise ParseError(f"{shown!r} is not a number as {known.english_name} writes it.")
    try:
        return parse_decimal(digits, locale=known)
    except NumberFormatError:
        raise ParseError(f"{shown!r} is not a number as {known.english_name} writes it.") from None


def _grouped_well(digits: str, group: str, decimal: str) -> bool:
    """Whether groups have the length that groups have: "9.90" is none in Croatian, and "1.2345" neither."""
    whole, _, fraction = digits.lstrip("+-").partition(decimal)
    first, *groups = whole.split(group)
    allowed = set("0123456789")
    if not set(first + "".join(groups) + fraction) <= allowed:
        return False
    return not groups or (1 <= len(first) <= 3 and len(groups[-1]) == 3 and all(len(one) in (2, 3) for one in groups))


def known_locale(name: str) -> Locale:
    """The locale of that name. Raises `ValueError`."""
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"{name!r} is not a locale: write hr, de or en_GB.") from None
