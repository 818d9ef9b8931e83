"""HTML by selectolax, with what nearly every parser needs: a page that must have what is looked for, links, tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing.encodings import decode

Node: TypeAlias = LexborNode
#: A page with so many characters is no page.
LARGEST = 64 * 1024 * 1024


def parse_html(content: bytes | str, *, declared: str | None = None) -> LexborHTMLParser:
    """The page, however broken it is: browsers mend alike. `declared` is the encoding that the site names.

    Raises `ParseError` if it is too large, or in no known encoding.
    """
    if len(content) > LARGEST:
        raise ParseError(f"The page has {len(content):,} characters; at most {LARGEST:,} are parsed.")
    return LexborHTMLParser(content if isinstance(content, str) else decode(content, declared))


def one(node: LexborHTMLParser | Node, selector: str) -> Node:
    """The only node for a CSS selector. Raises `ParseError` if there is none, or more than one."""
    found = node.css(selector)
    if len(found) != 1:
        raise ParseError(f"The page has {len(found) or 'nothing'} for {selector!r} where one was expected.")
    return found[0]


def text(node: Node) -> str:
    """The text of a node as a person reads it: spaces and line breaks are one space."""
    return " ".join(node.text(separator=" ").split())


def links(node: LexborHTMLParser | Node, base_url: str, selector: str = "a[href]") -> Iterator[str]:
    """The absolute web addresses of the links, each once, in their order; without fragments."""
    seen: set[str] = set()
    for link in node.css(selector):
        try:
            url = urljoin(base_url, (link.attributes.get("href") or "").strip()).partition("#")[0]
        except ValueError:
            continue  # somebody's typing error is no address
        if url.startswith(("http://", "https://")) and url not in seen:
            seen.add(url)
            yield url


def table(node: Node) -> list[dict[str, str]]:
    """The rows of a table by the texts of its header, which is the first row that has cells of it.

    Raises `ParseError` if two columns have one name, or a row has other cells than the header.
    """
    rows = [[text(cell) for cell in row.css("th, td")] for row in node.css("tr")]
    filled = [row for row in rows if row]
    if not filled:
        return []
    header, *rest = filled
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise ParseError(f"Two columns of the table are called {twice!r}.")
    for number, row in enumerate(rest, start=1):
        if len(row) != len(header):
            raise ParseError(f"Row {number} of the table has {len(row)} cells, its header {len(header)}.")
    return [dict(zip(header, row, strict=True)) for row in rest]
