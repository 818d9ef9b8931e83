"""Putting apps on the register, and checking the arguments people give them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from django.db import transaction
from pydantic import BaseModel, ValidationError

from apps.registry.models import App, AppGroup, AppParent
from apps.registry.schedules import PLAN_FIELDS, SCHEDULE_FIELDS, plan_next
from collectors.discovery import installed_rooms
from collectors.identity import AppInfo
from collectors.loader import Source


class BadArguments(Exception):
    """Arguments that a source cannot be run with; the message names each and what is wrong with it."""


def register_app(
    info: AppInfo,
    *,
    description: str = "",
    kind: App.Kind = App.Kind.MANAGED,
    args_schema: Mapping[str, Any] | None = None,
) -> App:
    """The registry row of an app; made, disabled, when there is none. Safe to call at any time, from anywhere."""
    with transaction.atomic():
        group, _ = AppGroup.objects.get_or_create(name=info.group)
        parent, _ = AppParent.objects.get_or_create(group=group, name=info.parent)
        app, created = App.objects.get_or_create(
            identity=info.identity,
            defaults={
                "parent": parent,
                "name": info.app,
                "code": info.code,
                "kind": kind,
                "description": description,
                "args_schema": dict(args_schema or {}),
            },
        )
    if not created and args_schema is not None and app.args_schema != args_schema:
        app.args_schema = dict(args_schema)
        app.save(update_fields=["args_schema", "modified_at"])
    return app


def register_rooms() -> list[App]:
    """Every room found on disk is on the register. Returns the apps that are new."""
    known = set(App.objects.values_list("identity", flat=True))
    rooms = [config.room for config in installed_rooms()]
    return [register_app(room.info) for room in rooms if room.info.identity not in known]


def change_app(app: App, *, now: datetime, **values: Any) -> App:
    """Set fields of an app, and decide anew when it is due where its schedule changed. Returns the row as it is now.

    Alike for forms, the shell and the API: raises Django's `ValidationError`, which names each field and its fault.
    """
    with transaction.atomic():
        row = App.objects.select_for_update().get(pk=app.pk)
        changed = {name for name, value in values.items() if getattr(row, name) != value}
        for name in changed:
            setattr(row, name, values[name])
        row.full_clean()
        names = [*changed, "modified_at"]
        if changed & SCHEDULE_FIELDS:
            plan_next(row, now=now)
            names += PLAN_FIELDS
        row.save(update_fields=names)
    return row


def validate_args(source: Source, values: Mapping[str, Any]) -> BaseModel | dict[str, Any]:
    """The arguments as the source takes them: alike for shell, admin and API. Raises `BadArguments`."""
    model = source.args_model
    if model is None:
        if values:
            raise BadArguments(f"{source.info.code} takes no arguments, and was given: {', '.join(sorted(values))}.")
        return {}
    if model.model_config.get("extra") != "allow":
        _refuse_unknown(source.info, values, list(model.model_fields))
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise BadArguments(" ".join(_sentence(fault["loc"], fault["msg"]) for fault in faults)) from None


def _refuse_unknown(info: AppInfo, values: Iterable[str], known: list[str]) -> None:
    for name in values:
        if name not in known:
            closest = next(iter(difflib.get_close_matches(name, known, n=1)), "")
            hint = f"did you mean {closest}?" if closest else f"it takes {', '.join(known) or 'none'}."
            raise BadArguments(f'"{name}" is not an argument of {info.code}; {hint}')


def _sentence(location: Iterable[int | str], message: str) -> str:
    name = ".".join(map(str, location))
    text = message.removeprefix("Value error, ").rstrip(".")
    return f'Argument "{name}": {text[:1].lower()}{text[1:]}.' if name else f"{text}."


def parse_pairs(pairs: Iterable[str], source: Source) -> dict[str, Any]:
    """What was typed as `key=value`. Values read as JSON where that is what they are, unless the argument is text."""
    fields = source.args_model.model_fields if source.args_model else {}
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise BadArguments(f'"{pair}" is not of the form key=value.')
        if name in values:
            raise BadArguments(f'"{name}" is given twice; give a list as {name}=[1,2].')
        is_text = name in fields and _takes_text(fields[name].annotation)
        values[name] = text if is_text else _value(text)
    return values


def _takes_text(annotation: Any) -> bool:
    """Whether a field takes text and nothing else, so that 007 stays 007."""
    if get_origin(annotation) is Literal:
        return all(isinstance(choice, str) for choice in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return all(member is NoneType or _takes_text(member) for member in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, str)


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> None:
    # Python's reader takes NaN and Infinity, which are not JSON and which no database keeps in a JSON column.
    raise ValueError(name)
