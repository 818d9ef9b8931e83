"""Which errors are one, and which are not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.journal.fingerprint import fingerprint, masked, type_name


def raised(text: str, kind: type[Exception] = ValueError) -> Exception:
    try:
        raise kind(text)
    except Exception as error:  # noqa: BLE001 - the error is what is wanted
        return error


def raised_elsewhere(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("row 17 of 300", "row 9 of 12"),
        ("took 1.25 s", "took 30 s"),
        ("key 'isbn' is missing", "key 'title' is missing"),
        ('"a b" is no price', '"17,5 EUR" is no price'),
        ("order 6f1c9a2e-0b1d-4c1e-9a3f-2f6f3f0c1d2e", "order 00000000-0b1d-4c1e-9a3f-000000000000"),
        ("object at 0x7f3a10", "object at 0x55aa"),
        ("commit deadbeef01 failed", "commit 0123456789abcdef failed"),
        ("too   many\n spaces", "too many spaces"),
        ("from 10.0.0.1:8080", "from 127.0.0.1:9"),
    ],
)
def test_values_do_not_tell_errors_apart(one: str, other: str) -> None:
    assert fingerprint("said", raised(one)) == fingerprint("said", raised(other))
    assert fingerprint(one, logger="a") == fingerprint(other, logger="a")


def test_words_types_places_and_loggers_do() -> None:
    prints = {
        fingerprint("x", raised("no price")),
        fingerprint("x", raised("no title")),
        fingerprint("x", raised("no price", KeyError)),
        fingerprint("x", raised_elsewhere("no price")),
        fingerprint("no price", logger="a"),
        fingerprint("no price", logger="b"),
    }

    assert len(prints) == 6


def test_what_was_logged_does_not_matter_where_there_is_an_exception() -> None:
    assert fingerprint("page 1 failed", raised("x")) == fingerprint("gave up", raised("x"))


def test_an_apostrophe_quotes_nothing_and_a_word_is_no_hex_number() -> None:
    assert masked("don't panic, it can't be") == "don't panic, it can't be"
    assert masked("the facade defaced effaced") == "the facade defaced effaced"


def test_it_is_the_same_in_every_process() -> None:
    program = "from collectors.toolkit.journal.fingerprint import fingerprint; print(fingerprint('row 1', logger='a'))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()

    assert other == fingerprint("row 2", logger="a")


def test_an_exception_that_cannot_be_printed_has_one_too() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert len(fingerprint("x", Mute())) == 32
    assert type_name(TimeoutError()) == "TimeoutError"
    assert type_name(Mute()).endswith("Mute")


@given(st.text(), st.text(max_size=20))
def test_any_text_has_a_fingerprint_of_32_hex_digits(message: str, logger: str) -> None:
    found = fingerprint(message, logger=logger)

    assert found == fingerprint(message, logger=logger)
    assert len(found) == 32
    assert int(found, 16) >= 0
