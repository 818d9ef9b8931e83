"""Text of strangers on pages."""

from __future__ import annotations

import pytest

from apps.core.templatetags.facts import legible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
        ("\x1b[31mred\x00", "\\x1b[31mred\\x00"),
        ("abc\u202edef\u2066", "abc\\x202edef\\x2066"),
        (17, "17"),
        ("čćž 日本", "čćž 日本"),
    ],
)
def test_what_a_page_would_obey_is_shown_instead(text: object, shown: str) -> None:
    assert legible(text) == shown


def test_it_has_an_end() -> None:
    assert legible("x" * 5000, 10) == "x" * 10 + "… (4990 characters more)"
