"""The operations of one Django app, each declared in one place: address, permission, answers.

section = Section("runs")

@section.get("/runtimes/{run_id}", name="getRun", permission="runtime.view_runtime", answer=RunOut)
def get_run(request: HttpRequest, run_id: RunId) -> HttpResponse:
    ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel

from apps.accounts.audit import API, asking, record
from apps.api.access import Needs, asker
from apps.api.once import HEADER, LONGEST, answer_once
from apps.api.problems import ProblemDetails
from apps.core.clock import utc_now

View = Callable[..., HttpResponse]

#: What any operation may be answered.
ALWAYS = (400, 401, 403, 404, 422, 429, 500, 503)
OF_WRITES = (409, 411, 413, 415)
#: The header of a write that may be sent again.
KEY_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": "Sent again with the same key, the same request is done once and answered alike, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]+$"},
}
VERSION_PARAMETER = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "description": "The ETag of what you read.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
LOCATION = {"Location": {"description": "Where to look next.", "schema": {"type": "string"}}}
ETAG = {"ETag": {"description": "Names this version; send it as If-Match.", "schema": {"type": "string"}}}


class Section:
    """The operations of a Django app."""

    def __init__(self, tag: str) -> None:
        self.router = Router(tags=[tag])

    def get(self, path: str, **about: Any) -> Callable[[View], View]:
        """An operation that changes nothing."""
        return self._operation("GET", path, **about)

    def post(self, path: str, **about: Any) -> Callable[[View], View]:
        """An operation that changes something; it takes an `Idempotency-Key`."""
        return self._operation("POST", path, **about)

    def put(self, path: str, **about: Any) -> Callable[[View], View]:
        """An operation after which something is as it was sent."""
        return self._operation("PUT", path, **about)

    def patch(self, path: str, **about: Any) -> Callable[[View], View]:
        """An operation that changes some fields of a version."""
        return self._operation("PATCH", path, **about, is_conditional=True)

    def delete(self, path: str, **about: Any) -> Callable[[View], View]:
        """An operation that takes something away."""
        return self._operation("DELETE", path, **about)

    def _operation(
        self,
        method: str,
        path: str,
        *,
        name: str,
        permission: str,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        media_type: str = "application/json",
        is_atomic: bool = True,
        is_repeatable: bool = True,
        is_conditional: bool = False,
        is_recorded: bool = True,
        has_version: bool = False,
    ) -> Callable[[View], View]:
        """What is particular about it.

        `is_repeatable=False`: it waits for somebody else, or keeps a secret, so no transaction holds it and no key is
        taken. `is_recorded=False`: the service it calls leaves a row of its own that says who asked.
        """
        is_write = method != "GET"
        takes_key = is_write and is_repeatable
        refusals = [*ALWAYS, *(OF_WRITES if is_write else ()), *((412, 428) if is_conditional else ())]
        extra: dict[str, Any] = {"x-permission": permission, "parameters": []}
        extra["parameters"] += [KEY_PARAMETER] if takes_key else []
        extra["parameters"] += [VERSION_PARAMETER] if is_conditional else []
        headers = (LOCATION if status in (201, 202) else {}) | (ETAG if is_conditional or has_version else {})
        if headers:
            extra["responses"] = {status: {"headers": headers}}
        if media_type != "application/json":
            extra["x-media-type"] = media_type

        def add(view: View) -> View:
            needs, called = Needs(permission), view
            if is_write:
                called = _recorded(view, name) if is_recorded else view
                called = _on_behalf(_answered_once(called, is_atomic=is_atomic) if takes_key else called)
            self.router.add_api_operation(
                path,
                [method],
                called,
                auth=needs,
                response={status: answer, **dict.fromkeys(refusals, ProblemDetails)},
                operation_id=name,
                openapi_extra=extra,
            )
            operation = self.router.path_operations[path].operations[-1]
            needs.parameters = frozenset(
                parameter
                for model in operation.models
                if model.__ninja_param_source__ == "query"
                for parameter in model.__ninja_flatten_map__
            )
            return view

        return add


def _on_behalf(view: View) -> View:
    """What it writes into the audit trail names the client that asked; the middleware knows the address."""

    def answered(request: HttpRequest, **values: Any) -> HttpResponse:
        with asking(client=asker(request).client):
            return view(request, **values)

    return _alike(answered, view)


def _recorded(view: View, name: str) -> View:
    """What was done stands in the audit trail."""

    def answered(request: HttpRequest, **values: Any) -> HttpResponse:
        response = view(request, **values)
        if response.status_code < 400:
            record(f"api.{name}", request.path, source=API, actor=asker(request).user, now=utc_now())
        return response

    return _alike(answered, view)


def _answered_once(view: View, *, is_atomic: bool) -> View:
    def answered(request: HttpRequest, **values: Any) -> HttpResponse:
        return answer_once(request, partial(view, request, **values), is_atomic=is_atomic)

    return _alike(answered, view)


def _alike(wrapper: View, view: View) -> View:
    # Its own globals are not those that the annotations were written in.
    wrapper.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
    return update_wrapper(wrapper, view)
