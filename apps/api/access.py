"""Who asks, and whether they may: asked before anything of a request is read.

An operation declares its permission where it is declared itself (`section.py`). One that declares none is refused to
everybody, which `tests/architecture/test_api.py` sees before any user does.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja.utils import check_csrf

from apps.accounts.address import client_address
from apps.accounts.audit import API
from apps.accounts.bearer import authenticate
from apps.accounts.policy import narrow
from apps.accounts.principal import Principal, principal_of
from apps.api.problems import Problem
from apps.api.throttle import count_refusal, count_request
from apps.core.clock import utc_now

_M = TypeVar("_M", bound=Model)

SAFE = ("GET", "HEAD", "OPTIONS")
CHALLENGE = 'Bearer realm="data-collector"'


def asker(request: HttpRequest) -> Principal:
    """Who asked this; there is somebody where an operation runs."""
    return cast("Principal", request.auth)  # type: ignore[attr-defined]


def by(request: HttpRequest) -> dict[str, Any]:
    """Who does it, by what way and when: what services want to know for the audit."""
    return {"actor": asker(request).user, "source": API, "now": utc_now()}


def owner_of(request: HttpRequest) -> str:
    """Whose keys these are: a person's, a client's, or those of a person by way of a client."""
    principal = asker(request)
    parts = {"user": principal.user, "client": principal.client}
    return " ".join(f"{name}:{who.pk}" for name, who in parts.items() if who is not None)


def visible(request: HttpRequest, permission: str, rows: QuerySet[_M]) -> QuerySet[_M]:
    """The rows for which who asks has the permission."""
    return narrow(asker(request), permission, rows)


class Needs:
    """Lets in who has a permission. Raises `Problem`."""

    def __init__(self, permission: str) -> None:
        self.permission = permission
        #: What the query of the operation may name; set when the operation is known.
        self.parameters: frozenset[str] = frozenset()

    def __call__(self, request: HttpRequest) -> Principal:
        principal = identify(request)
        count_request(principal.name, is_write=request.method not in SAFE)
        if not principal.may(self.permission):
            raise Problem("not-allowed", f"This needs the permission {self.permission}.")
        _refuse_unread(request, self.parameters)
        return principal


class Nobody:
    """The default of the API: an operation that does not say who may call it is called by nobody."""

    def __call__(self, request: HttpRequest) -> Any:
        identify(request)
        raise Problem("not-allowed", "Nobody may call this operation.")


def identify(request: HttpRequest) -> Principal:
    """Who asks: by a token, or by the session of a browser. Raises `Problem`."""
    if "Authorization" in request.headers:
        # Who sends a token means it: a wrong one is not made good by a session.
        return _of_token(request)
    principal = principal_of(request.user)
    if not principal.is_active:
        raise Problem("not-signed-in", "Sign in, or send a token.", headers={"WWW-Authenticate": CHALLENGE})
    if request.method not in SAFE:
        _refuse_body(request)
    # Browsers send cookies along whoever asks: what changes something proves that a page of ours asked.
    if request.method not in SAFE and check_csrf(request) is not None:
        raise Problem("csrf", "Send the CSRF token of your session as X-CSRFToken, and the Referer over HTTPS.")
    return principal


def _of_token(request: HttpRequest) -> Principal:
    scheme, _, token = request.headers["Authorization"].partition(" ")
    principal = authenticate(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
    if principal is None:
        count_refusal(client_address(request.META))
        headers = {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'}
        raise Problem("not-signed-in", "This token is wrong, over, or revoked; get a new one.", headers=headers)
    if request.method not in SAFE:
        _refuse_body(request)
    return principal


def _refuse_unread(request: HttpRequest, parameters: frozenset[str]) -> None:
    """What nobody would read is an error of who sent it, said before it is taken for granted."""
    unknown = sorted(name for name in request.GET if name not in parameters)
    if unknown:
        known = ", ".join(sorted(parameters)) or "none"
        name = unknown[0].replace("\x00", "")[:60]
        raise Problem("invalid", f'There is no parameter "{name}" here; there are: {known}.')


def _refuse_body(request: HttpRequest) -> None:
    """Before anybody reads it: a body of an unknown length is as long as its sender likes."""
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower() and "CONTENT_LENGTH" not in request.META:
        raise Problem("length-required", "Send the length of the body as Content-Length.")
    if request.META.get("CONTENT_LENGTH", "") not in ("", "0") and request.content_type != "application/json":
        raise Problem("not-json", "Send the body as application/json.")
