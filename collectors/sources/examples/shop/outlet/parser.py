"""From the pages of the outlet to rows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing.html import links, one, parse_html, text
from collectors.toolkit.parsing.numbers import parse_number


@dataclass(frozen=True, slots=True)
class CopyRow:
    """One damaged copy."""

    number: int
    title: str
    price: Decimal
    """In euros."""


def parse_shelf(html: bytes, url: str) -> list[str]:
    """The addresses of the copies. Raises `ParseError`."""
    copies = list(links(parse_html(html), url, "ul.copies a"))
    if not copies:
        raise ParseError("The page lists no copies.")
    return copies


def parse_copy(html: bytes) -> CopyRow:
    """The page of a copy. Raises `ParseError` naming what is missing."""
    page = one(parse_html(html), "article.copy")
    return CopyRow(
        number=int(parse_number(text(one(page, ".number")))),
        title=text(one(page, ".title")),
        price=parse_number(text(one(page, ".price"))),
    )
