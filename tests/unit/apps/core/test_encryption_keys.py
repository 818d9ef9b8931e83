"""The ring of keys: what it opens, and what it refuses."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.encryption.keys import (
    BadKeys,
    CannotOpen,
    Key,
    KeyRing,
    NoKeys,
    UnknownKey,
    key_id_of,
    keys_as_text,
    parse_keys,
)

OLD, NEW = Key(b"o" * 32), Key(b"n" * 32)
RING = KeyRing([NEW, OLD])


@given(text=st.text(), context=st.text())
def test_what_was_sealed_opens_in_its_own_place_only(text: str, context: str) -> None:
    token = RING.seal(text, context)
    assert RING.open(token, context) == text
    with pytest.raises(CannotOpen, match="belongs to another row"):
        RING.open(token, f"{context}!")


def test_a_token_names_the_first_key_and_holds_nothing_readable() -> None:
    token = RING.seal("canary", "x")
    assert key_id_of(token) == NEW.id
    assert "canary" not in token
    assert b"canary" not in base64.urlsafe_b64decode(token.rpartition(":")[2])


def test_an_older_key_of_the_ring_still_opens() -> None:
    assert RING.open(KeyRing([OLD]).seal("text", "x"), "x") == "text"


def test_a_key_that_is_not_in_the_ring_is_named() -> None:
    with pytest.raises(UnknownKey, match=f"the key {OLD.id}, which is not in DC_SECRETS_KEYS"):
        KeyRing([NEW]).open(KeyRing([OLD]).seal("text", "x"), "x")


def test_no_changed_bit_is_taken() -> None:
    token = RING.seal("text", "x")
    head, _, body = token.rpartition(":")
    sealed = base64.urlsafe_b64decode(body)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(CannotOpen):
            RING.open(f"{head}:{base64.urlsafe_b64encode(changed).decode()}", "x")
    with pytest.raises(CannotOpen):
        RING.open(token.replace(NEW.id, OLD.id), "x")


@pytest.mark.parametrize(
    "token", ["plain", "dc1:", "dc1:zzzzzzzz:AAAA", f"dc1:{NEW.id}:", f"dc1:{NEW.id}:AAAA", "dc2:x:y"]
)
def test_what_is_no_token_is_told(token: str) -> None:
    with pytest.raises(CannotOpen):
        RING.open(token, "x")


def test_no_nonce_is_used_twice() -> None:
    assert len({RING.seal("the same", "x") for _ in range(5000)}) == 5000


def test_keys_are_read_from_lines_and_commas_with_remarks() -> None:
    assert parse_keys(f"# ours, the first\n{NEW.as_text()}, {OLD.as_text()} # until may\n\n") == [NEW, OLD]
    assert parse_keys(keys_as_text([NEW, OLD])) == [NEW, OLD]
    assert parse_keys(" \n# nothing\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("short", "Key number 1 is no key"),
        (f"{NEW.as_text()}\n{OLD.as_text()[:-4]}", "Key number 2 is no key"),
        (f"{NEW.as_text()}\n{'ö' * 43}", "Key number 2 is no key"),
        (f"{NEW.as_text()},{NEW.as_text()}", "Key number 2 is there twice"),
    ],
)
def test_what_is_no_key_is_told_by_its_number_and_not_printed(text: str, said: str) -> None:
    with pytest.raises(BadKeys, match=said) as caught:
        parse_keys(text)
    assert not any(word in str(caught.value) for word in text.replace(",", "\n").splitlines())


def test_an_empty_ring_says_what_to_do() -> None:
    with pytest.raises(NoKeys, match="set DC_SECRETS_KEYS"):
        KeyRing([])


def test_a_key_is_not_printed() -> None:
    assert repr(OLD.secret) not in repr(OLD)
    assert OLD.id != NEW.id
    assert len(Key.new().as_text()) == 43
