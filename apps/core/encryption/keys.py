"""A ring of keys: the first one encrypts, all of them decrypt. Plain Python, no Django.

A token reads `dc1:<key id>:<base64url of nonce and AES-256-GCM ciphertext>`. The context that is authenticated along
with it says where the value belongs, so that a token which was copied elsewhere does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

KEY_BYTES, NONCE_BYTES = 32, 12
PREFIX = "dc1:"
#: A token, apart from whether it opens.
TOKEN = re.compile(r"dc1:([0-9a-f]{8}):([A-Za-z0-9_-]+={0,2})")


class EncryptionError(Exception):
    """A stored secret cannot be had; the message is a sentence for people and holds nothing secret."""


class NoKeys(EncryptionError):
    """This installation has no key ring."""


class BadKeys(EncryptionError):
    """What should be keys is not."""


class UnknownKey(EncryptionError):
    """The key of a value is not in the ring."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"It was encrypted with the key {key_id}, which is not in DC_SECRETS_KEYS: add that key to the ring again."
        )
        self.key_id = key_id


class CannotOpen(EncryptionError):
    """A value was damaged, or belongs elsewhere."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the ring."""

    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Key:
        """A random key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @property
    def id(self) -> str:
        """Eight hex digits that name the key and say nothing about it."""
        return hashlib.sha256(b"data-collector key id\0" + self.secret).hexdigest()[:8]

    def as_text(self) -> str:
        """The text that `parse_keys` reads."""
        return base64.urlsafe_b64encode(self.secret).decode().rstrip("=")


class KeyRing:
    """Seals with its first key and opens with any. Immutable."""

    def __init__(self, keys: Sequence[Key]) -> None:
        """Raises `NoKeys` for an empty ring."""
        if not keys:
            raise NoKeys("There is no key for secrets: set DC_SECRETS_KEYS (`manage.py secrets key` makes one).")
        self.keys = tuple(keys)
        self._by_id = {key.id: key for key in keys}

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._by_id

    @property
    def first(self) -> Key:
        """The key that encrypts."""
        return self.keys[0]

    def seal(self, text: str, context: str) -> str:
        """A token for `text` that opens with the same `context` only."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + AESGCM(self.first.secret).encrypt(nonce, text.encode(), _bound(self.first.id, context))
        return f"{PREFIX}{self.first.id}:{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, token: str, context: str) -> str:
        """The text of a token. Raises `UnknownKey` and `CannotOpen`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key_id = key_id_of(token)
        key = self._by_id.get(key_id)
        if key is None:
            raise UnknownKey(key_id)
        try:
            sealed = base64.urlsafe_b64decode(token.rpartition(":")[2])
            opened = AESGCM(key.secret).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(key_id, context))
            return opened.decode()
        except (InvalidTag, ValueError):
            raise CannotOpen("It was changed in the database, or belongs to another row: enter it again.") from None


def _bound(key_id: str, context: str) -> bytes:
    return f"{PREFIX}{key_id}\0{context}".encode()


def key_id_of(token: str) -> str:
    """Which key a token was made with. Raises `CannotOpen`."""
    found = TOKEN.fullmatch(token)
    if found is None:
        raise CannotOpen("It is no encrypted value: enter it again.")
    return found[1]


def parse_keys(text: str) -> list[Key]:
    """The keys in the text of a setting: one a line or separated by commas; what follows a # is left out.

    Raises `BadKeys`, which names the place and never the text.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].replace(",", " ").split()]
    keys: list[Key] = []
    for number, line in enumerate(words, start=1):
        secret = _decoded(line)
        if secret is None or len(secret) != KEY_BYTES:
            raise BadKeys(f"Key number {number} is no key: it should be 43 characters, as `secrets key` prints.")
        if any(key.secret == secret for key in keys):
            raise BadKeys(f"Key number {number} is there twice: remove one of them.")
        keys.append(Key(secret))
    return keys


def _decoded(line: str) -> bytes | None:
    try:
        return base64.b64decode(line + "=" * (-len(line) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None


def keys_as_text(keys: Sequence[Key]) -> str:
    """The text of a file that holds these keys."""
    head = "# For secrets in the database: the first key encrypts, all decrypt. Back it up, apart from the database.\n"
    return head + "".join(f"{key.as_text()}\n" for key in keys)
