"""From pages to rows: pure functions, without network and without database."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing.html import links, one, parse_html, text
from collectors.toolkit.parsing.numbers import parse_number


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What the page of an item says; the names are those of the model's fields."""

    number: str
    title: str
    price: Decimal


def parse_list(html: bytes, url: str) -> list[str]:
    """The addresses of the items on a list page; `url` is the page's own. Raises `ParseError`."""
    items = list(links(parse_html(html), url, "ol.books > li > a"))
    if not items:
        raise ParseError("The page lists no items.")
    return items


def parse_item(html: bytes) -> ItemRow:
    """The page of an item. Raises `ParseError` naming what is missing."""
    page = parse_html(html)
    return ItemRow(
        number=text(one(page, ".isbn")),
        title=text(one(page, ".title")),
        price=parse_number(text(one(page, ".price")), "en"),
    )
