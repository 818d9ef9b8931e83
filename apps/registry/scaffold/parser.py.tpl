"""From pages to rows: pure functions, without network and without database."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from collectors.toolkit.errors import ParseError


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What the page of an item says; the names are those of the model's fields."""

    number: str
    title: str
    price: Decimal


def parse_list(html: bytes, url: str) -> list[str]:
    """The addresses of the items on a list page; `url` is the page's own. Raises `ParseError`."""
    links = LexborHTMLParser(html).css("ol.books > li > a")
    if not links:
        raise ParseError("The page lists no items.")
    return [urljoin(url, link.attributes.get("href") or "") for link in links]


def parse_item(html: bytes) -> ItemRow:
    """The page of an item. Raises `ParseError` naming what is missing."""
    page = LexborHTMLParser(html)
    price = _text(page, ".price").removeprefix("€").strip()
    try:
        return ItemRow(number=_text(page, ".isbn"), title=_text(page, ".title"), price=Decimal(price))
    except InvalidOperation:
        raise ParseError(f'The price is "{price}", which is not a number.') from None


def _text(page: LexborHTMLParser, selector: str) -> str:
    node = page.css_first(selector)
    if node is None:
        raise ParseError(f"The page has no {selector}.")
    return node.text(strip=True)
