"""From the pages of the demo shop to rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from collectors.toolkit.errors import ParseError


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of the catalogue."""

    book_urls: list[str]
    next_url: str | None
    """None on the last page."""


@dataclass(frozen=True, slots=True)
class BookRow:
    """What the page of a book says."""

    isbn: str
    title: str
    author: str
    category: str
    price: Decimal
    """In euros."""
    stock: int


def parse_list(html: bytes, url: str) -> ListPage:
    """A page of the catalogue; `url` is its own address, which its links are relative to. Raises `ParseError`."""
    page = LexborHTMLParser(html)
    catalogue = page.css_first("ol.books")
    if catalogue is None:
        raise ParseError("The page holds no list of books.")
    following = page.css_first("a[rel=next]")
    return ListPage(
        book_urls=[_target(link, url) for link in catalogue.css("li > a")],
        next_url=_target(following, url) if following is not None else None,
    )


def parse_book(html: bytes) -> BookRow:
    """The page of a book. Raises `ParseError` naming what is missing or cannot be read."""
    book = LexborHTMLParser(html).css_first("article.book")
    if book is None:
        raise ParseError("The page describes no book.")
    return BookRow(
        isbn=_text(book, "isbn"),
        title=_text(book, "title"),
        author=_text(book, "author"),
        category=_text(book, "category"),
        price=Decimal(_number(book, "price", r"\d+\.\d\d")),
        stock=int(_number(book, "stock", r"\d+")),
    )


def _target(link: LexborNode, base: str) -> str:
    href = link.attributes.get("href")
    if not href:
        raise ParseError("A link of the page leads nowhere.")
    return urljoin(base, href)


def _text(book: LexborNode, name: str) -> str:
    node = book.css_first(f".{name}")
    text = " ".join(node.text().split()) if node is not None else ""
    if not text:
        raise ParseError(f"The page of the book does not name its {name}.")
    return text


def _number(book: LexborNode, name: str, pattern: str) -> str:
    text = _text(book, name)
    found = re.search(pattern, text, re.ASCII)
    if found is None:
        raise ParseError(f'The {name} of the book is "{text}", which is not the number it should be.')
    return found.group()
