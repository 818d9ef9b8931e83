from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from oauth2_provider.models import get_access_token_model

from apps.accounts import signing
from apps.accounts.bearer import authenticate
from apps.accounts.clients import end_tokens, set_new_secret
from apps.core.clock import utc_now
from apps.core.encryption.keys import Key
from apps.core.encryption.ring import current_ring
from tests.integration.people import make_client, token_of

pytestmark = pytest.mark.django_db

TEN = timedelta(minutes=10)


def own_token(**values: Any) -> str:
    now = values.pop("now", utc_now())
    return signing.make_token(
        **{"subject": "user:1", "client_id": "x", "scopes": frozenset({"read"}), "now": now, "lifetime": TEN, **values}
    )


def private_key() -> Ed25519PrivateKey:
    return signing._private(current_ring().first)


def forged(key: Any, algorithm: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    good = jwt.decode(own_token(), options={"verify_signature": False})
    head = {"kid": current_ring().first.id, "typ": "at+jwt", **(header or {})}
    return jwt.encode({**good, **claims}, key, algorithm, headers=head)


def test_a_client_gets_a_token_that_says_who_what_and_until_when() -> None:
    client, secret = make_client(scopes=["read", "run"])

    principal = authenticate(token := token_of(client, secret, "read run"))

    assert principal is not None
    assert (principal.user, principal.client, principal.scopes) == (None, client, frozenset({"read", "run"}))
    assert principal.name == "client robot"
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": current_ring().first.id}
    assert claims["sub"] == f"client:{client.client_id}"
    assert claims["exp"] - claims["iat"] == 600
    # Nothing that would let anybody in is stored.
    row = get_access_token_model().objects.get()
    assert row.token == ""
    assert token not in json.dumps(list(get_access_token_model().objects.values()), default=str)


def test_a_signed_token_without_a_row_lets_nobody_in() -> None:
    assert signing.read_token(own_token()) is not None
    assert authenticate(own_token()) is None


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda client: end_tokens(client=client, now=utc_now()), id="tokens ended"),
        pytest.param(lambda client: set_new_secret(client=client, now=utc_now()), id="new secret"),
        pytest.param(lambda client: type(client).objects.update(is_active=False), id="client disabled"),
        pytest.param(lambda client: get_access_token_model().objects.get().revoke(), id="token revoked"),
        pytest.param(
            lambda client: type(client).objects.update(sessions_ended_at=utc_now()), id="ended behind our back"
        ),
        pytest.param(lambda client: client.delete(), id="client deleted"),
    ],
)
def test_a_token_stops_with_the_next_request(end: Any) -> None:
    client, secret = make_client()
    token = token_of(client, secret)
    assert authenticate(token) is not None

    end(client)

    assert authenticate(token) is None


def test_a_token_is_over_when_its_time_is() -> None:
    now = utc_now()

    assert signing.read_token(own_token(now=now - TEN + timedelta(seconds=30))) is not None
    assert signing.read_token(own_token(now=now - TEN - timedelta(seconds=30))) is None
    assert signing.read_token(own_token(now=now + timedelta(minutes=5))) is None


def test_the_row_ends_it_as_well() -> None:
    client, secret = make_client()
    token = token_of(client, secret)
    get_access_token_model().objects.update(expires=utc_now())

    assert authenticate(token) is None


def test_no_algorithm_but_ours_is_believed() -> None:
    public = private_key().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    good = own_token()
    head, body, _ = good.split(".")
    none_head = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt", "kid": current_ring().first.id}).encode())
        .decode()
        .rstrip("=")
    )

    assert signing.read_token(forged(private_key(), "EdDSA")) is not None
    # The public key as a shared secret: HS256 with what anybody may know.
    assert signing.read_token(forged(raw, "HS256")) is None
    # PyJWT refuses to sign with a PEM; an attacker's library does not.
    assert signing.read_token(_hs256(pem, good)) is None
    for signature in ("", ".", ".AAAA"):
        assert signing.read_token(f"{none_head}.{body}{signature}") is None
    assert signing.read_token(f"{head}.{body}.") is None


def _hs256(secret: bytes, good: str) -> str:
    import hashlib
    import hmac

    head = {"alg": "HS256", "typ": "at+jwt", "kid": current_ring().first.id}
    first = base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")
    signed = f"{first}.{good.split('.')[1]}"
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def test_no_key_but_ours_is_believed() -> None:
    stranger = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519"}

    assert signing.read_token(forged(stranger, "EdDSA")) is None
    assert signing.read_token(forged(stranger, "EdDSA", header={"kid": "00000000"})) is None
    assert signing.read_token(forged(stranger, "EdDSA", header={"jku": "https://evil.example/keys"})) is None
    assert signing.read_token(forged(stranger, "EdDSA", header={"jwk": jwk})) is None
    assert signing.read_token(forged(stranger, "EdDSA", header={"kid": "../../dev/null"})) is None


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another"}, {"aud": ["another"]}, {"iss": "https://evil.example"}, {"scope": None}, {"exp": "soon"}],
    ids=str,
)
def test_a_token_for_somebody_else_is_not_ours(claims: dict[str, Any]) -> None:
    assert signing.read_token(forged(private_key(), "EdDSA", **claims)) is None


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "client_id", "scope"])
def test_a_token_that_does_not_say_everything_is_refused(missing: str) -> None:
    claims = jwt.decode(own_token(), options={"verify_signature": False})
    del claims[missing]
    head = {"kid": current_ring().first.id, "typ": "at+jwt"}

    assert signing.read_token(jwt.encode(claims, private_key(), "EdDSA", headers=head)) is None


@pytest.mark.parametrize("typ", ["JWT", "rt+jwt", None])
def test_a_token_of_another_kind_is_no_access_token(typ: str | None) -> None:
    assert signing.read_token(forged(private_key(), "EdDSA", header={"typ": typ})) is None


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "e30.e30.e30", "\x00", "ü.ü.ü", "A" * 5000, "Bearer x"])
def test_what_is_no_token_at_all_is_refused_without_a_word(text: str) -> None:
    assert authenticate(text) is None


def test_keys_rotate_with_the_ring(settings: Any) -> None:
    old, new = current_ring().first, Key.new()
    before = own_token()

    settings.DC_SECRETS_KEYS = f"{new.as_text()},{old.as_text()}"
    after = own_token()
    assert jwt.get_unverified_header(after)["kid"] == new.id
    assert signing.read_token(before) is not None
    assert signing.read_token(after) is not None

    settings.DC_SECRETS_KEYS = new.as_text()
    assert signing.read_token(before) is None
    assert signing.read_token(after) is not None


def test_the_key_of_the_ring_is_not_the_key_that_signs() -> None:
    raw = Ed25519PrivateKey.from_private_bytes(current_ring().first.secret)

    assert signing.read_token(forged(raw, "EdDSA")) is None
