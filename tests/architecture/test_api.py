"""Every operation of the API says who may call it, and shows what goes in and comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from ninja.operation import Operation

from apps.accounts.roles import ROLES
from apps.api.access import Needs
from apps.api.spec import METHODS, describe
from config.api import api

PERMISSIONS = frozenset().union(*ROLES.values())
SPEC: dict[str, Any] = json.loads(json.dumps(describe(api)))


def operations() -> Iterator[Operation]:
    for router in api._get_bound_routers():
        for path in router.path_operations.values():
            yield from path.operations


def described() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in SPEC["paths"].items():
        yield from ((f"{method.upper()} {path}", methods[method]) for method in METHODS if method in methods)


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """What goes in and comes out of every operation, as JSON."""
    for name, operation in described():
        yield from ((name, each) for each in operation.get("requestBody", {}).get("content", {}).values())
        for declared in operation["responses"].values():
            shared = declared.get("$ref", "").rpartition("/")[2]
            response = SPEC["components"]["responses"][shared] if shared else declared
            yield from ((name, content) for content in response.get("content", {}).values())


def test_there_are_operations() -> None:
    assert len(list(operations())) >= 17


def test_every_operation_declares_a_permission_that_somebody_has() -> None:
    wrong = [
        operation.operation_id
        for operation in operations()
        if len(operation.auth_callbacks) != 1
        or not isinstance(operation.auth_callbacks[0], Needs)
        or operation.auth_callbacks[0].permission not in PERMISSIONS
    ]

    assert wrong == []


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does() -> None:
    names = [str(operation.operation_id) for operation in operations()]

    assert sorted(set(names)) == sorted(names)
    assert [operation.operation_id for operation in operations() if not operation.description] == []


def test_whatever_goes_in_or_comes_out_has_an_example() -> None:
    assert [name for name, content in contents() if content.get("example") is None] == []


def test_every_example_is_one() -> None:
    wrong = []
    for name, content in contents():
        whole = {**content["schema"], "components": SPEC["components"]}
        error = next(iter(jsonschema_rs.validator_for(whole).iter_errors(content["example"])), None)
        if error is not None:
            wrong.append(f"{name}: {error.message}")

    assert wrong == []


@pytest.mark.parametrize("kind", ["schemas", "responses", "securitySchemes"])
def test_whatever_is_referred_to_is_there(kind: str) -> None:
    start = f'"#/components/{kind}/'
    used = {part.partition('"')[0] for part in json.dumps(SPEC).split(start)[1:]}

    assert used <= set(SPEC["components"][kind])
