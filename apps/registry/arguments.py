"""Checking the arguments of an app before there is a run: alike for forms, the shell and the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.registry.models import App
from apps.registry.services import BadArguments, validate_args
from collectors.identity import parse_code
from collectors.loader import Source, SourceError, load_source

#: JSON schema's name of a type -> what a value of it is in Python.
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def check_args(app: App, args: Mapping[str, Any]) -> None:
    """Raise `BadArguments`, naming the field, when the app cannot run with `args` on top of its own arguments.

    The source decides where it can be imported here, else the schema that the register keeps of it.
    """
    if not isinstance(args, Mapping):
        raise BadArguments('The arguments have to be a JSON object, such as {"name": "value"}.')
    values = {**app.args, **args}
    source = source_of(app)
    if source is not None:
        validate_args(source, values)
    elif app.args_schema:
        _check_schema(app, values)


def source_of(app: App) -> Source | None:
    """The source of an app; None where it is not on this machine or cannot be imported."""
    try:
        return load_source(parse_code(app.code))
    except SourceError:
        return None


def _check_schema(app: App, values: Mapping[str, Any]) -> None:
    schema = app.args_schema
    fields: Mapping[str, Any] = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in values:
            raise BadArguments(f'Argument "{name}": field required.')
    for name, value in values.items():
        if name in fields:
            _check_value(name, value, fields[name])
        elif schema.get("additionalProperties") is not True:
            raise BadArguments(f'"{name}" is not an argument of {app.code}; it takes {", ".join(fields) or "none"}.')


def _check_value(name: str, value: Any, field: Mapping[str, Any]) -> None:
    """Types and choices; what is finer is checked by the source, when the run begins."""
    if "enum" in field and value not in field["enum"]:
        raise BadArguments(f'Argument "{name}": has to be one of {", ".join(map(str, field["enum"]))}.')
    kind = field.get("type")
    known = TYPES.get(kind) if isinstance(kind, str) else None
    if known is None:
        return
    if not isinstance(value, known) or (isinstance(value, bool) and bool not in known):
        raise BadArguments(f'Argument "{name}": has to be of the type {kind}.')
