"""Lists, asked for what nobody means to ask."""

from __future__ import annotations

import pytest

from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

LISTS = ["registry/app", "runtime/runtime", "runtime/command", "accounts/user", "examples_shop_books/book"]


@pytest.mark.parametrize("page", LISTS)
def test_a_search_for_a_book_of_text_is_refused_in_a_sentence(page: str) -> None:
    response = signed_in().get(f"/admin/{page}/", {"q": "x" * 50_000})
    assert response.status_code in (200, 400)
    assert "at most 200 characters" in response.text


def test_the_log_search_answers_a_book_of_text_too() -> None:
    assert signed_in().get("/admin/logs/log/", {"q": "x" * 50_000}).status_code in (200, 400)


@pytest.mark.parametrize("page", ["runtime/runtime", "runtime/command", "logs/log"])
def test_a_number_that_no_column_holds_is_a_bad_filter(page: str) -> None:
    response = signed_in().get(f"/admin/{page}/", {"app__id__exact": "9" * 30}, follow=True)
    assert response.status_code == 200
