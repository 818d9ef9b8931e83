from __future__ import annotations

import hashlib

import pytest

from collectors.identity import BadAppCode, app_info, parse_code


def test_the_identity_is_the_hash_of_the_three_names() -> None:
    info = app_info("shop", "books", "prices")

    assert info.identity == hashlib.sha3_256(b"shop|books|prices").hexdigest()
    assert info.identity == "5a817616d38210ac738853c265ad6bd539499f20eec7e79c17acbd4752e5bbcd"


def test_code_and_label_join_the_names() -> None:
    info = parse_code("shop.books.prices_eu")

    assert (info.group, info.parent, info.app) == ("shop", "books", "prices_eu")
    assert (info.code, info.label) == ("shop.books.prices_eu", "shop_books_prices_eu")


def test_equal_labels_have_different_identities() -> None:
    assert app_info("a_b", "c", "d").label == app_info("a", "b_c", "d").label
    assert app_info("a_b", "c", "d").identity != app_info("a", "b_c", "d").identity


@pytest.mark.parametrize("code", ["", "shop", "shop.books", "shop.books.x.y", "shop/books/x"])
def test_it_refuses_what_has_not_three_parts(code: str) -> None:
    with pytest.raises(BadAppCode, match=r"is not an app code: write it as group\.parent\.app"):
        parse_code(code)


@pytest.mark.parametrize("part", ["", "Shop", "1shop", "_shop", "sh-op", "shöp", "shop\n", "s" * 41, "sh op"])
def test_it_refuses_names_that_are_no_folders(part: str) -> None:
    with pytest.raises(BadAppCode, match="cannot be part of an app code: use small letters"):
        app_info("shop", part, "prices")


def test_forty_letters_are_allowed() -> None:
    assert app_info("s" * 40, "b", "p").group == "s" * 40
