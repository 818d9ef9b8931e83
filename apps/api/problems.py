"""Every error of the API: problem details as RFC 9457 has them, and nothing about our insides.

raise Problem("not-found", "There is no run 17.")
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, Field

log = structlog.get_logger("api")

MEDIA_TYPE = "application/problem+json"
#: Kind of problem -> status and title. A kind keeps its meaning: programs decide by it.
KINDS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "bad-json": (400, "The body is not JSON"),
    "not-signed-in": (401, "Nobody is signed in"),
    "not-allowed": (403, "Not allowed"),
    "https-required": (403, "Secrets do not travel over plain HTTP"),
    "csrf": (403, "The request did not prove that it came from this site"),
    "not-found": (404, "Not found"),
    "method-not-allowed": (405, "This method is not known here"),
    "conflict": (409, "What is there does not allow it"),
    "key-in-use": (409, "A request with this key is being answered"),
    "length-required": (411, "The length of the body is missing"),
    "changed-meanwhile": (412, "It was changed meanwhile"),
    "too-large": (413, "The body is too large"),
    "not-json": (415, "This kind of body is not taken"),
    "invalid": (422, "Something in the request is wrong"),
    "bad-cursor": (422, "The cursor is not one of this list"),
    "key-reused": (422, "The key belongs to another request"),
    "if-match-required": (428, "Say which version you mean to change"),
    "too-many-requests": (429, "Too many requests"),
    "server-error": (500, "Something went wrong here"),
    "unavailable": (503, "The platform cannot answer now"),
}
#: For answers that are not ours: what a bare status means.
BY_STATUS = dict(reversed([(status, kind) for kind, (status, _title) in KINDS.items()]))


class Fault(BaseModel):
    """One thing that is wrong, and where."""

    detail: str = Field(examples=["An interval schedule needs an interval of at least one second."])
    pointer: str | None = Field(None, description="Where in the body, as RFC 6901 has it.", examples=["/interval_s"])
    parameter: str | None = Field(None, description="The parameter of the query, the path or the header.")


class ProblemDetails(BaseModel):
    """An error: what happened, to what, and what to do."""

    type: str = Field(description="The kind; it keeps its meaning.", examples=["urn:data-collector:problem:invalid"])
    title: str = Field(examples=["Something in the request is wrong"])
    status: int = Field(ge=400, le=599, examples=[422])
    detail: str = Field(examples=["interval_s: An interval schedule needs an interval of at least one second."])
    instance: str | None = Field(None, examples=["/api/v1/apps/examples.shop.books"])
    errors: list[Fault] | None = Field(None)
    error_id: str | None = Field(None, description="Stands in the log of the platform beside the reason.")


class Problem(Exception):
    """An answer that is an error; raised anywhere below an operation."""

    def __init__(
        self, kind: str, detail: str, *, errors: list[Fault] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors, self.headers = kind, detail, errors, dict(headers or {})

    @property
    def status(self) -> int:
        """Of HTTP."""
        return KINDS[self.kind][0]


def problem_response(request: HttpRequest, problem: Problem, **members: Any) -> HttpResponse:
    """The answer a problem makes."""
    status, title = KINDS[problem.kind]
    details: dict[str, Any] = {
        "type": f"urn:data-collector:problem:{problem.kind}",
        "title": title,
        "status": status,
        "detail": problem.detail,
        "instance": request.path.replace("\x00", "")[:500],
    }
    if problem.errors:
        details["errors"] = [fault.model_dump(exclude_none=True) for fault in problem.errors]
    response = HttpResponse(json.dumps({**details, **members}), status=status, content_type=MEDIA_TYPE)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def unexpected(request: HttpRequest, error: BaseException) -> HttpResponse:
    """An error nobody foresaw: the reason goes to the log, its number to who asked."""
    error_id = uuid.uuid4().hex
    log.error("api.failed", method=request.method, path=request.path, error_id=error_id, exc_info=error)
    detail = "The platform could not answer; its log says why, beside this error_id."
    return problem_response(request, Problem("server-error", detail), error_id=error_id)


def from_fields(error: ValidationError) -> Problem:
    """What Django says about the fields of a row."""
    named = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    faults = [
        Fault(detail=text, pointer=None if name in ("", "__all__") else f"/{name}")
        for name, texts in named.items()
        for text in texts
    ]
    return Problem("invalid", in_words(faults), errors=faults)


def in_words(faults: list[Fault]) -> str:
    """The first faults as one text."""
    told = [f"{place}: {fault.detail}" if (place := _place(fault)) else fault.detail for fault in faults[:3]]
    return " ".join(told) or "The request is not valid."


def _place(fault: Fault) -> str:
    return fault.parameter or (fault.pointer or "").removeprefix("/").replace("/", ".")
