"""From pages of Python's HTML documentation, as Sphinx writes it, to rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from collectors.toolkit.errors import ParseError

#: Sphinx marks the place where a page begins to describe a module with this and the module's name.
ANCHOR = "module-"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One module of the index."""

    name: str
    synopsis: str
    platform: str
    is_deprecated: bool
    page: str
    """The page that describes it, relative to the root of the documentation."""


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """What the index and the module's page say together."""

    name: str
    synopsis: str
    platform: str
    is_deprecated: bool
    page: str
    source_url: str


def parse_index(html: bytes) -> list[IndexEntry]:
    """The modules of `py-modindex.html`, in its order. Raises `ParseError`.

    A name without a link is no module, only the head under which the modules of a package are grouped.
    """
    table = LexborHTMLParser(html).css_first("table.modindextable")
    if table is None:
        raise ParseError("The page holds no table of modules: it is not the module index of Python's documentation.")
    entries = [_entry(row, link) for row in table.css("tr") if (link := row.css_first("a:has(code)")) is not None]
    if not entries:
        raise ParseError("The module index names no modules.")
    return entries


def _entry(row: LexborNode, link: LexborNode) -> IndexEntry:
    name = _words(link)
    cells = row.css("td")
    href = link.attributes.get("href")
    if not href or len(cells) != 3:
        raise ParseError(f"The row of {name} in the module index is not made of a toggle, a link and a synopsis.")
    platform, synopsis = cells[1].css_first("em"), cells[2].css_first("em")
    return IndexEntry(
        name=name,
        synopsis=_words(synopsis) if synopsis is not None else "",
        platform=_words(platform).strip("()") if platform is not None else "",
        is_deprecated=cells[2].css_first("strong") is not None,
        page=href.partition("#")[0],
    )


def parse_source_links(html: bytes, modules: Collection[str]) -> dict[str, str]:
    """The modules that a page describes, each with the link to its source code, or "" where the page gives none.

    A link belongs to the module it stands in; one above the first module belongs to all of them. A submodule without
    a link of its own has that of its package, which is a folder. Of several links the first counts.
    Raises `ParseError` when the page leaves out one of `modules`.
    """
    own: dict[str, str] = {}
    module = for_all = ""
    for node in _anchors_and_paragraphs(LexborHTMLParser(html)):
        name = (node.attributes.get("id") or "").removeprefix(ANCHOR)
        # A heading such as "Module contents" makes an anchor of the same form.
        if name in modules:
            module = name
            own.setdefault(name, "")
        elif url := _source_link(node):
            if not module:
                for_all = for_all or url
            elif not own[module]:
                own[module] = url
    if missing := sorted(set(modules) - set(own)):
        raise ParseError(f"The index says that this page describes {', '.join(missing)}; it does not.")
    return {name: own[name] or _link_of_package(name, own) or for_all for name in own}


def _anchors_and_paragraphs(page: LexborHTMLParser) -> Iterator[LexborNode]:
    """In the order of the page."""
    if page.body is not None:
        for node in page.body.traverse(include_text=False):
            if node.tag == "p" or (node.attributes.get("id") or "").startswith(ANCHOR):
                yield node


def _source_link(paragraph: LexborNode) -> str:
    """The first link of a paragraph that begins with "Source code:"."""
    head = paragraph.css_first("strong")
    if head is None or _words(head) != "Source code:":
        return ""
    link = paragraph.css_first("a[href]")
    return (link.attributes.get("href") or "") if link is not None else ""


def _link_of_package(name: str, links: dict[str, str]) -> str:
    package = name.rpartition(".")[0]
    while package:
        if links.get(package):
            return links[package]
        package = package.rpartition(".")[0]
    return ""


def _words(node: LexborNode) -> str:
    return " ".join(node.text().split())
