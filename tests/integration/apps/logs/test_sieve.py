"""What the database is asked for is never less than what is searched."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.core.clock import utc_now
from apps.logs.grams import needle_grams, searchable
from apps.logs.models import Log
from apps.logs.sieve import sieved, words_of

pytestmark = pytest.mark.django_db(databases="__all__")

#: What differs between a page and JSON: quotes, numbers with exponents, None, other cases of letters.
TEXTS = st.text("aK\u212a\u017f\u00dfé\\\"'\n\t{}=_e1 ", max_size=12) | st.sampled_from(["none", "None", "1e+22"])
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("needle", "words"),
    [
        ("shop17.example", ["example", "shop17"]),
        ("took_ms=123", ["took_ms"]),
        ("item-4711815", ["4711815", "item"]),
        ("1e+22", []),
        ("123456e", []),
        ("non", []),
        ("überaus", ["beraus"]),
        ("ag", []),
    ],
)
def test_only_words_that_are_stored_as_they_are_shown_are_asked_for(needle: str, words: list[str]) -> None:
    assert words_of([needle]) == words


class TestAnyLine(TestCase):
    """Of any line, any part that can be looked for."""

    @given(st.data())
    def test_a_line_that_holds_the_text_passes(self, data: st.DataObject) -> None:
        context: dict[str, Any] = data.draw(st.dictionaries(TEXTS, VALUES, max_size=3))
        line = Log.objects.create(message=data.draw(TEXTS), context_json=context, logged_at=utc_now())
        line.refresh_from_db()
        text = searchable(line.message, line.context_json, line.exception)
        start = data.draw(st.integers(0, len(text) - 1))
        needle = text[start : data.draw(st.integers(start, len(text)))]
        words = words_of([needle])
        if words and connection.vendor == "postgresql":
            assert sieved(Log.objects.filter(pk=line.pk), words) == [line.pk], (needle, text)


def test_a_value_has_a_gram_of_its_own_wherever_it_stands() -> None:
    whole = needle_grams("a=b==1234 took_ms=12345.6")
    for part in ("=123", "==12", "ms=123", "=b=", "=b==", "took_ms=12345"):
        assert needle_grams(part) <= whole
    assert not needle_grams("took_ms=124") <= whole
