"""`SecretLoader`: the encrypted file of settings. The format is described in docs/secrets.md.

A file of version 1 is ASCII, in this order: `DC-SECRETS 1`; `cipher n=.. r=.. p=.. salt=.. nonce=..`; base64. The two
lines of the header are authenticated with the text.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream

CBC, GCM = "aes-256-cbc+hmac-sha256", "aes-256-gcm"
MAGIC = "DC-SECRETS 1"
#: Parameters of scrypt: 32 MB, about 0.2 s. From a file they are obeyed up to 1 GB.
N, R, P = 2**15, 8, 3
MOST_MEMORY, MOST_P = 2**30, 16
SALT_BYTES, MAC_BYTES = 16, 32
NONCES = {CBC: 16, GCM: 12}
#: Of an empty text: a block and a MAC, or a tag.
SHORTEST = {CBC: 16 + MAC_BYTES, GCM: 16}
SHORTEST_PASSPHRASE = 12
#: More than anybody has of settings.
LARGEST_FILE = 4 * 1024 * 1024

_HEADER = re.compile(
    r"(?P<cipher>[a-z0-9+-]{1,40}) n=(?P<n>[0-9]{1,10}) r=(?P<r>[0-9]{1,4}) p=(?P<p>[0-9]{1,4}) "
    r"salt=(?P<salt>[0-9a-f]{32}) nonce=(?P<nonce>[0-9a-f]{24,32})"
)


class SecretFileError(Exception):
    """The file cannot be used; the message is a sentence without anything of its content."""


@dataclass(frozen=True, slots=True)
class _Header:
    cipher: str
    n: int
    r: int
    p: int
    salt: bytes
    nonce: bytes

    def __str__(self) -> str:
        parameters = f"n={self.n} r={self.r} p={self.p} salt={self.salt.hex()} nonce={self.nonce.hex()}"
        return f"{MAGIC}\n{self.cipher} {parameters}\n"

    def keys(self, passphrase: str) -> bytes:
        """64 bytes for CBC (32 encrypt, 32 authenticate), 32 for GCM."""
        length = 64 if self.cipher == CBC else 32
        memory = 128 * self.r * (self.n + self.p + 2)
        return hashlib.scrypt(
            passphrase.encode(), salt=self.salt, n=self.n, r=self.r, p=self.p, dklen=length, maxmem=memory
        )


class SecretLoader:
    """One encrypted file of settings. Nothing decrypted is written anywhere."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, passphrase: str) -> dict[str, str]:
        """The settings in the file, by name. Raises `SecretFileError`."""
        return parse(self.read(passphrase), self.path.name)

    def read(self, passphrase: str) -> str:
        """The plain text of the file. Raises `SecretFileError`."""
        header, sealed = self._parts()
        head, keys = str(header).encode(), header.keys(passphrase)
        opened = (
            _open_gcm(header, keys, head, sealed) if header.cipher == GCM else _open_cbc(header, keys, head, sealed)
        )
        if opened is None:
            raise SecretFileError(f"{self.path} does not open: the passphrase is wrong, or the file was changed.")
        return opened.decode()

    def cipher(self) -> str:
        """With what the file is encrypted. Raises `SecretFileError`."""
        return self._parts()[0].cipher

    def write(self, text: str, passphrase: str, *, cipher: str = CBC, n: int | None = None) -> None:
        """Encrypt `text` into the file: beside it and then in its place, readable by its user only.

        Raises `SecretFileError`, also when `text` is not of the form NAME=value or the passphrase is short.
        """
        parse(text, "the text")
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise SecretFileError(f"The passphrase is too short: use at least {SHORTEST_PASSPHRASE} characters.")
        nonce = secrets.token_bytes(NONCES[cipher])
        header = _Header(cipher, n or N, R, P, secrets.token_bytes(SALT_BYTES), nonce)
        head, keys = str(header).encode(), header.keys(passphrase)
        seal = _seal_gcm if cipher == GCM else _seal_cbc
        body = base64.encodebytes(seal(header, keys, head, text.encode()))
        try:
            replace_file(self.path, head + body)
        except OSError as error:
            raise SecretFileError(f"{self.path} cannot be written: {_reason(error)}.") from None

    def _parts(self) -> tuple[_Header, bytes]:
        try:
            with self.path.open("rb") as file:
                text = file.read(LARGEST_FILE + 1).decode("ascii")
            magic, line, body = text.split("\n", 2)
            sealed = base64.b64decode("".join(body.split()), validate=True)
            if base64.encodebytes(sealed).split() != body.encode().split():
                raise ValueError("other letters for the same bytes")
        except OSError as error:
            raise SecretFileError(f"{self.path} cannot be read: {_reason(error)}.") from None
        except ValueError:  # no ASCII, too few lines, no base64
            raise SecretFileError(f"{self.path} is damaged, or no encrypted file of settings.") from None
        found = _HEADER.fullmatch(line)
        if magic != MAGIC or found is None or len(text) > LARGEST_FILE:
            raise SecretFileError(f"{self.path} is damaged, or no encrypted file of settings.")
        n, r, p = (int(found[name]) for name in ("n", "r", "p"))
        header = _Header(found["cipher"], n, r, p, bytes.fromhex(found["salt"]), bytes.fromhex(found["nonce"]))
        is_sane = n > 1 and n & (n - 1) == 0 and 0 < 128 * n * r <= MOST_MEMORY and 0 < p <= MOST_P
        if NONCES.get(header.cipher) != len(header.nonce) or not is_sane or len(sealed) < SHORTEST[header.cipher]:
            raise SecretFileError(f"{self.path} is damaged, or no encrypted file of settings.")
        return header, sealed


def parse(text: str, name: str) -> dict[str, str]:
    """The settings in a plain text, read as `.env` is. Raises `SecretFileError`, which names the line."""
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise SecretFileError(f"{name}: line {binding.original.line} is not of the form NAME=value.")
        if binding.key is not None:
            values[binding.key] = binding.value or ""
    return values


def replace_file(path: Path, content: bytes) -> None:
    """Put a file of mode 0600 in the place of another: readers see the one or the other. Raises `OSError`."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _seal_cbc(header: _Header, keys: bytes, head: bytes, text: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(keys[:32]), modes.CBC(header.nonce)).encryptor()
    sealed = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    return sealed + _mac(keys, head, sealed)


def _open_cbc(header: _Header, keys: bytes, head: bytes, sealed: bytes) -> bytes | None:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    sealed, mac = sealed[:-MAC_BYTES], sealed[-MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(keys, head, sealed)):
        return None
    decryptor = Cipher(algorithms.AES(keys[:32]), modes.CBC(header.nonce)).decryptor()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()


def _mac(keys: bytes, head: bytes, sealed: bytes) -> bytes:
    return hmac.digest(keys[32:], head + sealed, "sha256")


def _seal_gcm(header: _Header, keys: bytes, head: bytes, text: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(keys).encrypt(header.nonce, text, head)


def _open_gcm(header: _Header, keys: bytes, head: bytes, sealed: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(keys).decrypt(header.nonce, sealed, head)
    except InvalidTag:
        return None


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
