from __future__ import annotations

from pathlib import Path

import pytest

from collectors.sources.$code.parser import parse_item, parse_list
from collectors.toolkit.errors import ParseError
from collectors.toolkit.testing import assert_parses

PAGES = Path(__file__).parent / "pages"


def test_the_list_names_the_page_of_every_item() -> None:
    assert parse_list((PAGES / "list.html").read_bytes(), "http://shop.test/demo/") == [
        "http://shop.test/demo/books/1/",
        "http://shop.test/demo/books/2/",
    ]


def test_the_page_of_an_item_becomes_a_row() -> None:
    assert_parses(parse_item, PAGES / "item-1.html")


@pytest.mark.parametrize(("old", "new"), [("€ 15.69", "on request"), ('class="isbn"', "")])
def test_it_refuses_a_page_that_is_not_what_it_expects(old: str, new: str) -> None:
    html = (PAGES / "item-1.html").read_text(encoding="utf-8").replace(old, new)

    with pytest.raises(ParseError):
        parse_item(html.encode())
