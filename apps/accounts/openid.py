"""An OpenID provider vouches for people: code with PKCE, state and nonce. Only this module knows Authlib."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

#: Signatures of a key that the provider alone has. Neither `none` nor one made with a secret that we have as well.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
TIMEOUT_S = 10
LEEWAY_S = 60


class NotVouchedFor(Exception):
    """The provider does not answer, or what it answers does not hold; the message is for the log, not for strangers."""


def is_on() -> bool:
    """Whether people sign in at a provider."""
    return settings.DC_OIDC.issuer is not None


def label() -> str:
    """What the login page calls the provider; empty where there is none."""
    return settings.DC_OIDC.label if is_on() else ""


def leave_for_provider(request: HttpRequest, back: str) -> HttpResponse:
    """Send a browser there. Raises `NotVouchedFor`."""
    with _errors_in_words():
        response: HttpResponse = _provider().authorize_redirect(request, back)
        return response


def claims_of(request: HttpRequest) -> dict[str, Any]:
    """What the provider says about who came back, verified. Raises `NotVouchedFor`."""
    with _errors_in_words():
        if request.GET.get("iss", settings.DC_OIDC.issuer) != settings.DC_OIDC.issuer:
            raise NotVouchedFor("Another provider has answered.")
        token = _provider().authorize_access_token(request, leeway=LEEWAY_S)
        claims = dict(token.get("userinfo") or {})
    if not claims.get("sub"):
        raise NotVouchedFor("The provider has sent no ID token.")
    return claims


@contextmanager
def _errors_in_words() -> Iterator[None]:
    # Read when somebody signs in there, and not by every process that starts.
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError
    from requests import RequestException

    try:
        yield
    except (AuthlibBaseError, JoseError, RequestException, RuntimeError, ValueError, KeyError) as error:
        raise NotVouchedFor(f"{type(error).__name__}: {error}"[:300]) from error


def _provider() -> Any:
    """Made for each request: keys and addresses of the provider are those of now."""
    from authlib.integrations.django_client import OAuth

    wanted: Any = settings.DC_OIDC
    client: Any = OAuth().register(
        "openid",
        client_id=wanted.client_id,
        client_secret=wanted.client_secret.get_secret_value(),
        server_metadata_url=f"{wanted.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": wanted.scopes, "code_challenge_method": "S256", "default_timeout": TIMEOUT_S},
    )
    found = client.load_server_metadata()
    if found.get("issuer") != wanted.issuer:
        raise NotVouchedFor(f"The provider calls itself {found.get('issuer')}, not {wanted.issuer}.")
    offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
    found["id_token_signing_alg_values_supported"] = [name for name in offered if name in ALGORITHMS]
    if wanted.issuer.startswith("https:") and not str(found.get("token_endpoint", "")).startswith("https:"):
        raise NotVouchedFor("The provider takes codes over plain HTTP.")
    return client
