"""From the pages of the trade desk to rows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing.html import Form, form, links, one, parse_html, table
from collectors.toolkit.parsing.numbers import parse_number


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A line of the trade list."""

    isbn: str
    title: str
    price: Decimal
    """In euros."""


def parse_login(html: bytes, url: str) -> Form:
    """The form of the login page, its hidden token included. Raises `ParseError`."""
    return form(parse_html(html), url, "form.login")


def is_signed_in(html: bytes) -> bool:
    """Whether this is what only somebody who has signed in sees: the status says nothing."""
    return parse_html(html).css_first("table.trade") is not None


def parse_pages(html: bytes, url: str) -> list[str]:
    """The addresses of all pages of the list. Raises `ParseError`."""
    pages = list(links(parse_html(html), url, "nav a.page"))
    if not pages:
        raise ParseError("The trade list names no pages.")
    return pages


def parse_prices(html: bytes) -> list[TradeRow]:
    """The lines of a page of the list. Raises `ParseError`."""
    lines = table(one(parse_html(html), "table.trade"))
    return [TradeRow(line["ISBN"], line["Title"], parse_number(line["Trade price"], "en")) for line in lines]
