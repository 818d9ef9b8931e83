"""HTML by selectolax, with what nearly every parser needs: a page that must have what is looked for, links, tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from collectors.toolkit.errors import ParseError
from collectors.toolkit.parsing.encodings import decode

Node: TypeAlias = LexborNode
#: A page with so many characters is no page.
LARGEST = 64 * 1024 * 1024
_BUTTONS = frozenset({"submit", "button", "reset", "image", "file"})


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


@dataclass(frozen=True, slots=True)
class Form:
    """What a browser would send: hidden fields, such as tokens against forgery, stand in `fields` with their values."""

    method: str
    """GET or POST."""
    url: str
    fields: dict[str, str]

    def filled(self, **values: str) -> dict[str, str]:
        """All fields, these of them filled in. Raises `ParseError` if the form has no such field."""
        missing = [name for name in values if name not in self.fields]
        if missing:
            known = ", ".join(self.fields) or "none"
            raise ParseError(f"The form has no field {missing[0]!r}; it has: {known}.")
        return {**self.fields, **values}


def form(node: LexborHTMLParser | Node, base_url: str, selector: str = "form") -> Form:
    """The only form for a selector, to be sent with `request.send(form.method, form.url, data=form.filled(...))`.

    `base_url` is the address of its page. Boxes that are not ticked and buttons are left out, as browsers do. Raises
    `ParseError` if there is no such form, or more than one.
    """
    found = one(node, selector)
    fields: dict[str, str] = {}
    for field in found.css("input[name], textarea[name], select[name]"):
        name, kind = field.attributes.get("name") or "", (field.attributes.get("type") or "").lower()
        is_ticked = "checked" in field.attributes
        if kind in _BUTTONS or (kind in ("checkbox", "radio") and not is_ticked):
            continue
        fields[name] = _value(field)
    return Form(
        method="POST" if (found.attributes.get("method") or "").lower() == "post" else "GET",
        url=urljoin(base_url, (found.attributes.get("action") or "").strip() or base_url),
        fields=fields,
    )


def _value(field: Node) -> str:
    if field.tag == "textarea":
        return field.text()
    if field.tag == "select":
        chosen = field.css_first("option[selected]") or field.css_first("option")
        if chosen is None:
            return ""
        said = chosen.attributes.get("value")
        return text(chosen) if said is None else said
    given = field.attributes.get("value")
    is_box = (field.attributes.get("type") or "").lower() in ("checkbox", "radio")
    return given if given is not None else "on" if is_box else ""
