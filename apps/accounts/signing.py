"""Access tokens as JSON Web Tokens (RFC 9068): made and read here, with one algorithm and nothing else.

The keys are Ed25519, computed from the keys of the ring (`docs/secrets.md`), one from each: so every process knows
them, nothing more has to be kept, and they rotate with the ring. The first key signs; a token of any key in the ring
is read.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings

from apps.core.encryption.keys import EncryptionError, Key
from apps.core.encryption.ring import current_ring

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
AUDIENCE = "data-collector"
PURPOSE = b"data-collector access tokens, Ed25519"
#: What clocks of two machines may differ by.
LEEWAY = timedelta(seconds=10)
#: Tokens of ours have about 500 characters; nobody's time is spent on what cannot be one.
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says that was signed by us and has not ended."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    token_id: str


def issuer() -> str:
    """Who signs: the address of this installation."""
    return settings.DC_PUBLIC_URL or "data-collector"


def make_token(*, subject: str, client_id: str, scopes: frozenset[str], now: datetime, lifetime: timedelta) -> str:
    """A signed access token. Raises `EncryptionError` when this installation has no keys."""
    import jwt

    key = current_ring().first
    claims = {
        "iss": issuer(),
        "aud": AUDIENCE,
        "sub": subject,
        "client_id": client_id,
        "scope": " ".join(sorted(scopes)),
        "jti": secrets.token_urlsafe(16),
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return jwt.encode(claims, _private(key), ALGORITHM, headers={"kid": key.id, "typ": TYPE})


def read_token(token: str) -> Claims | None:
    """What a token says; None when it is not one of ours, is damaged, or is over. Raises nothing.

    The key is one of ours, named by `kid`: no key, address or algorithm is taken from the token.
    """
    import jwt

    if len(token) > LONGEST:
        return None
    try:
        header = jwt.get_unverified_header(token)
        key = next((key for key in current_ring().keys if key.id == header.get("kid")), None)
        if key is None or header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
            return None
        claims: dict[str, Any] = jwt.decode(
            token,
            _private(key).public_key(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=issuer(),
            leeway=LEEWAY,
            options={
                "require": ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "client_id", "scope"],
                "enforce_minimum_key_length": True,
            },
        )
        scopes = frozenset(str(claims["scope"]).split())
    except (jwt.PyJWTError, EncryptionError, ValueError, TypeError):
        return None
    return Claims(str(claims["sub"]), str(claims["client_id"]), scopes, str(claims["jti"]))


def _private(key: Key) -> Ed25519PrivateKey:
    return _derived(key.secret)


@lru_cache(maxsize=16)
def _derived(secret: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret)
    return Ed25519PrivateKey.from_private_bytes(derived)
