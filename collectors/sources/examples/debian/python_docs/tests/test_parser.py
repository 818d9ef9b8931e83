"""The pages below `pages/` are written by hand, in the form in which Sphinx writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.sources.examples.debian.python_docs.parser import IndexEntry, parse_index, parse_source_links
from collectors.toolkit.errors import ParseError

PAGES = Path(__file__).parent / "pages"


def links(page: str, *modules: str) -> dict[str, str]:
    return parse_source_links((PAGES / "library" / page).read_bytes(), modules)


def index() -> dict[str, IndexEntry]:
    return {entry.name: entry for entry in parse_index((PAGES / "py-modindex.html").read_bytes())}


def test_the_index_names_every_module_that_has_a_page_and_no_other() -> None:
    assert list(index()) == [
        "alone",
        "aged",
        "package",
        "package.own",
        "package.part",
        "stranger",
        "shelf.left",
        "shelf.right",
    ]


def test_a_synopsis_becomes_one_line() -> None:
    assert index()["alone"] == IndexEntry(
        name="alone",
        synopsis='A synopsis that goes on in a second "line".',
        platform="",
        is_deprecated=False,
        page="library/alone.html",
    )


def test_platform_and_deprecation_are_read_apart_from_the_synopsis() -> None:
    assert index()["aged"] == IndexEntry(
        name="aged",
        synopsis="Better left alone.",
        platform="Linux, FreeBSD",
        is_deprecated=True,
        page="library/aged.html",
    )


def test_a_module_without_synopsis_has_an_empty_one() -> None:
    assert index()["package.own"].synopsis == ""


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        (b"<html><body>Not here</body></html>", "no table of modules"),
        (b"", "no table of modules"),
        (b'<table class="modindextable"><tr><td></td></tr></table>', "names no modules"),
        (b'<table class="modindextable"><tr><td><a href="x"><code>x</code></a></td></tr></table>', "The row of x"),
    ],
)
def test_it_refuses_a_page_that_is_not_the_index(html: bytes, complaint: str) -> None:
    with pytest.raises(ParseError, match=complaint):
        parse_index(html)


def test_the_first_of_several_links_counts_even_below_a_heading_that_looks_like_a_module() -> None:
    assert links("alone.html", "alone") == {"alone": "https://code.example/alone.py"}


def test_a_module_without_link_has_none() -> None:
    assert links("aged.html", "aged") == {"aged": ""}


def test_modules_that_share_a_page_keep_their_own_links_or_that_of_their_package() -> None:
    assert links("package.html", "package", "package.own", "package.part", "stranger") == {
        "package": "https://code.example/package/",
        "package.own": "https://code.example/package/own.py",
        "package.part": "https://code.example/package/",
        "stranger": "",
    }


def test_a_link_above_all_modules_belongs_to_all_of_them() -> None:
    assert links("shelf.html", "shelf.left", "shelf.right") == {
        "shelf.left": "https://code.example/shelf.py",
        "shelf.right": "https://code.example/shelf.py",
    }


def test_it_refuses_a_page_that_leaves_out_a_module() -> None:
    with pytest.raises(ParseError, match="describes absent; it does not"):
        links("aged.html", "aged", "absent")
