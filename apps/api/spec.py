"""The description of the API (OpenAPI 3.1): finished from what the operations declare, served to who is signed in."""

from __future__ import annotations

from functools import cache
from http.client import responses
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI

from apps.api.access import identify
from apps.api.problems import BY_STATUS, KINDS, MEDIA_TYPE, Problem, problem_response

METHODS = ("get", "put", "post", "patch", "delete")


def serve(api: NinjaAPI) -> Any:
    """The view of the description."""

    def describe_api(request: HttpRequest) -> HttpResponse:
        try:
            if request.method not in ("GET", "HEAD"):
                raise Problem("method-not-allowed", "Read it with GET.", headers={"Allow": "GET, HEAD"})
            identify(request)
        except Problem as problem:
            return problem_response(request, problem)
        return JsonResponse(describe(api))

    return describe_api


@cache
def describe(api: NinjaAPI) -> dict[str, Any]:
    """The whole description."""
    spec: dict[str, Any] = dict(api.get_openapi_schema(path_prefix="/api/v1/"))
    spec["servers"] = [{"url": "/"}]
    components = spec["components"]
    components["securitySchemes"] = {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of a browser. What changes something also needs X-CSRFToken.",
        },
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token."},
    }
    components["responses"] = {f"Problem{status}": _problem(status) for status in BY_STATUS}
    examples = Examples(components["schemas"])
    for path in spec["paths"].values():
        for method in METHODS:
            if method in path:
                _finish(path[method], list(components["securitySchemes"]), examples)
    return spec


def _problem(status: int) -> dict[str, Any]:
    kind = BY_STATUS[status]
    example = {
        "type": f"urn:data-collector:problem:{kind}",
        "title": KINDS[kind][1],
        "status": status,
        "detail": "A sentence that says what, where, and what to do.",
        "instance": "/api/v1/apps/examples.shop.books",
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "example": example}}
    return {"description": responses.get(status, KINDS[kind][1]), "content": content}


def _finish(operation: dict[str, Any], schemes: list[str], examples: Examples) -> None:
    operation["security"] = [{name: []} for name in schemes]
    operation["summary"] = operation.get("description", operation["summary"]).partition("\n")[0]
    media_type = operation.pop("x-media-type", "application/json")
    for status, response in operation["responses"].items():
        if int(status) >= 400:
            operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}
        elif (content := response.get("content", {}).pop("application/json", None)) is not None:
            whole = {**content, "example": examples.of(content["schema"])}
            response["content"].update(dict.fromkeys(media_type.split(", "), whole))
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = examples.of(content["schema"])
    for parameter in operation["parameters"]:
        # In an address there is no null: what is not given is left out.
        parameter.pop("examples", None)
        branches = [one for one in parameter["schema"].pop("anyOf", []) if one != {"type": "null"}]
        if branches:
            parameter["schema"].update(branches[0] if len(branches) == 1 else {"anyOf": branches})


class Examples:
    """Examples of whole bodies, put together from those of their fields."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas

    def of(self, schema: dict[str, Any]) -> Any:
        """A value that the schema allows."""
        for name in ("examples", "enum"):
            if name in schema:
                return schema[name][0]
        for name in ("const", "default"):
            if name in schema:
                return schema[name]
        if "$ref" in schema:
            return self.of(self.schemas[schema["$ref"].rpartition("/")[2]])
        for name in ("allOf", "anyOf", "oneOf"):
            if name in schema:
                return self.of(schema[name][0])
        return self._of_type(schema)

    def _of_type(self, schema: dict[str, Any]) -> Any:
        match schema.get("type"):
            case "object":
                return {name: self.of(field) for name, field in schema.get("properties", {}).items()}
            case "array":
                return [self.of(schema["items"])] if schema.get("items") else []
            case "integer" | "number":
                return schema.get("minimum", 0)
            case "boolean":
                return False
            case "string":
                return "2026-03-01T04:00:00Z" if schema.get("format") == "date-time" else ""
        return None
