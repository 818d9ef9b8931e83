"""The API as a whole: sections joined, every error a problem, nothing open that does not say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import RequestDataTooBig, ValidationError
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as Misread

from apps.api.access import CHALLENGE, Nobody
from apps.api.parsing import StrictParser
from apps.api.problems import BY_STATUS, Fault, Problem, from_fields, in_words, problem_response, unexpected
from apps.api.section import Section

VERSION = "1.0"


def build_api(sections: Iterable[Section], *, description: str) -> NinjaAPI:
    """An API of these sections. Its description is served by `spec.py`, not to everybody."""
    api = NinjaAPI(
        title="Data Collector",
        version=VERSION,
        description=description,
        openapi_url=None,
        docs_url=None,
        auth=Nobody(),
        parser=StrictParser(),
        urls_namespace="api",
    )
    for section in sections:
        api.add_router("", section.router)
    for kind, handler in HANDLERS:
        api.add_exception_handler(kind, partial(_handled, handler))
    return api


def _handled(handler: Any, request: HttpRequest, error: Any) -> HttpResponse:
    told = handler(error)
    return unexpected(request, error) if told is None else problem_response(request, told)


def _problem(error: Problem) -> Problem:
    return error


def _misread(error: Misread) -> Problem:
    faults = [_fault(fault["loc"], fault["msg"]) for fault in error.errors]
    return Problem("invalid", in_words(faults), errors=faults[:50])


def _fault(location: Sequence[int | str], message: str) -> Fault:
    """Where and what, without the value: it may be a secret."""
    detail = message.removeprefix("Value error, ").rstrip(".") + "."
    # Behind the source comes the name of the function's argument, which says nothing to who asks.
    source, *rest = location
    if source == "body":
        return Fault(detail=detail, pointer="".join(f"/{part}" for part in rest[1:]) or "/")
    return Fault(detail=detail, parameter=str(rest[-1]) if rest else str(source))


def _http(error: HttpError) -> Problem | None:
    # What our parser says reaches us inside of what ninja makes of it.
    if isinstance(error.__cause__, Problem):
        return error.__cause__
    if isinstance(error, AuthenticationError):
        return Problem("not-signed-in", "Sign in, or send a token.", headers={"WWW-Authenticate": CHALLENGE})
    kind = BY_STATUS.get(error.status_code)
    return Problem(kind, str(error)) if kind else None


def _unreachable(error: DatabaseError | InterfaceError) -> Problem | None:
    """A database that is away is nobody's fault; any other error of it is ours."""
    from django.db import OperationalError

    if not isinstance(error, OperationalError | InterfaceError):
        return None
    return Problem(
        "unavailable", "The platform's database does not answer; try again soon.", headers={"Retry-After": "5"}
    )


HANDLERS: list[tuple[type[Exception], Any]] = [
    (Exception, lambda _error: None),
    (Problem, _problem),
    (Misread, _misread),
    (ValidationError, from_fields),
    (HttpError, _http),
    (DatabaseError, _unreachable),
    (InterfaceError, _unreachable),
    (Http404, lambda error: Problem("not-found", str(error) or "There is nothing here.")),
    (RequestDataTooBig, lambda _error: Problem("too-large", "Send less at once.")),
    (RawPostDataException, lambda _error: Problem("not-json", "Send the body as application/json.")),
    (UnreadablePostError, lambda _error: Problem("bad-request", "The body ended too soon.")),
]
