"""From the list pages of the demo shop to rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from collectors.toolkit.errors import ParseError

_ISBN = re.compile(r"/books/(\d{13})/")
_PRICE = re.compile(r"\d+\.\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class ShelfRow:
    """What a list page says about a book."""

    isbn: str
    title: str
    author: str
    category: str
    price: Decimal
    """In euros."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of the catalogue."""

    books: list[ShelfRow]
    next_url: str | None
    """None on the last page."""


def parse_list(html: bytes, url: str) -> ListPage:
    """A page of the catalogue; `url` is its own address. Raises `ParseError` naming what is missing."""
    page = LexborHTMLParser(html)
    catalogue = page.css_first("ol.books")
    if catalogue is None:
        raise ParseError("The page holds no list of books.")
    following = page.css_first("a[rel=next]")
    href = following.attributes.get("href") if following is not None else None
    return ListPage([_book(entry) for entry in catalogue.css("li")], urljoin(url, href) if href else None)


def _book(entry: LexborNode) -> ShelfRow:
    link = entry.css_first("a")
    isbn = _ISBN.search((link.attributes.get("href") or "") if link is not None else "")
    price = _PRICE.search(_text(entry, ".price"))
    if isbn is None or price is None:
        raise ParseError("An entry of the list has no ISBN in its link, or no price.")
    return ShelfRow(
        isbn=isbn.group(1),
        title=_text(entry, "a"),
        author=_text(entry, ".author"),
        category=_text(entry, ".category"),
        price=Decimal(price.group()),
    )


def _text(entry: LexborNode, selector: str) -> str:
    node = entry.css_first(selector)
    text = " ".join(node.text().split()) if node is not None else ""
    if not text:
        raise ParseError(f"An entry of the list has no {selector.lstrip('.')}.")
    return text
