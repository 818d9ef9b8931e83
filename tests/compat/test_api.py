"""Programs outside this repository use the API: what it had once it keeps.

`api/v1.json` holds what programs rely on: operations, their permissions, parameters, fields. Adding to it is free, and
done with `DC_TEST_ACCEPT_API=1 .venv/bin/pytest tests/compat/test_api.py`; that refuses to take anything away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.api.spec import METHODS, describe
from config.api import api

KNOWN = Path(__file__).parent / "api" / "v1.json"


def relied_on(spec: dict[str, Any]) -> dict[str, Any]:
    """Operation -> what programs rely on."""
    schemas = spec["components"]["schemas"]
    found = {}
    for path, methods in sorted(spec["paths"].items()):
        for method in METHODS:
            if method in methods:
                operation = methods[method]
                found[f"{method.upper()} {path}"] = {
                    "name": operation["operationId"],
                    "permission": operation["x-permission"],
                    "parameters": {
                        f"{each['in']} {each['name']}": each["required"] for each in operation["parameters"]
                    },
                    "takes": dict(_fields(operation.get("requestBody", {}).get("content", {}), schemas)),
                    "gives": {
                        status: dict(_fields(response.get("content", {}), schemas))
                        for status, response in operation["responses"].items()
                        if status < "300"
                    },
                }
    return found


def _fields(content: dict[str, Any], schemas: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for media_type, body in sorted(content.items()):
        yield from _walk(media_type, body["schema"], schemas, is_required=True)


def _walk(
    place: str, schema: dict[str, Any], schemas: dict[str, Any], *, is_required: bool
) -> Iterator[tuple[str, str]]:
    """Place -> type, and whether it is always there."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    branches = schema.get("anyOf") or schema.get("allOf") or []
    kinds = sorted({str(one.get("type", "object")) for one in branches} or {str(schema.get("type", "any"))})
    yield place, "|".join(kinds) + ("" if is_required else "?")
    for branch in branches:
        if "$ref" in branch or branch.get("type") in ("object", "array"):
            yield from list(_walk(place, branch, schemas, is_required=is_required))[1:]
    if "items" in schema:
        yield from _walk(f"{place}[]", schema["items"], schemas, is_required=True)
    for name, field in schema.get("properties", {}).items():
        yield from _walk(f"{place}.{name}", field, schemas, is_required=name in schema.get("required", []))


def breaks(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """What a program that works with `old` would stumble over."""
    for name, was in old.items():
        now = new.get(name)
        if now is None:
            yield f"{name} is gone"
            continue
        yield from (f"{name}: {what} was {was[what]}" for what in ("name", "permission") if now[what] != was[what])
        yield from (f"{name}: {each} is gone" for each in was["parameters"] if each not in now["parameters"])
        yield from (
            f"{name}: {each} is required"
            for each, is_required in now["parameters"].items()
            if is_required and not was["parameters"].get(each, False)
        )
        yield from (f"{name} takes {each} no longer" for each in was["takes"] if each not in now["takes"])
        yield from (
            f"{name} wants {each}"
            for each, kind in now["takes"].items()
            # A body that may be null may be left out as well.
            if not kind.endswith("?") and not kind.startswith("null|") and each not in was["takes"]
        )
        for status, fields in was["gives"].items():
            given = now["gives"].get(status, {})
            yield from (
                f"{name} {status}: {each} is no longer {kind}"
                for each, kind in fields.items()
                if given.get(each) != kind
            )


@pytest.fixture(scope="module")
def current() -> dict[str, Any]:
    return relied_on(json.loads(json.dumps(describe(api))))


def test_nothing_is_gone_that_programs_use(current: dict[str, Any]) -> None:
    assert list(breaks(json.loads(KNOWN.read_text("utf-8")), current)) == []


def test_what_is_new_is_written_down(current: dict[str, Any]) -> None:
    known = json.loads(KNOWN.read_text("utf-8")) if KNOWN.exists() else {}
    if os.environ.get("DC_TEST_ACCEPT_API") and not list(breaks(known, current)):
        KNOWN.write_text(json.dumps(current, indent=1, sort_keys=True) + "\n", "utf-8")
        known = current

    assert known == current, "see the head of this file"


def test_it_would_be_seen(current: dict[str, Any]) -> None:
    name = "GET /api/v1/apps/{code}"
    field = "application/json.code"

    def changed(**values: Any) -> dict[str, Any]:
        return {**current, name: {**current[name], **values}}

    without = {key: value for key, value in current[name]["gives"]["200"].items() if key != field}
    assert list(breaks(current, {})) != []
    assert list(breaks(current, changed(gives={"200": without}))) == [f"{name} 200: {field} is no longer string"]
    assert list(breaks(current, changed(permission="registry.change_app"))) != []
    assert list(breaks(current, changed(parameters={"path code": True, "query x": True}))) == [
        f"{name}: query x is required"
    ]
    assert list(breaks(current, changed(parameters={"path code": True, "query x": False}))) == []
    assert list(breaks(current, changed(takes={"application/json": "object"}))) == [f"{name} wants application/json"]
    assert list(breaks(current, changed(takes={"application/json": "null|object"}))) == []
