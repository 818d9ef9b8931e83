"""What rules have to know of a table of collected rows, asked of Django."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models

from collectors.toolkit.quality import Rule
from collectors.toolkit.quality.kinds import BadRule

CHUNK = 2000


class ModelTable:
    """A table, for the rules about its rows."""

    def __init__(self, model: type[models.Model]) -> None:
        self.model = model
        self.natural_key: tuple[str, ...] = getattr(model, "natural_key", ())

    def convert(self, field: str, value: Any) -> Any:
        """See `collectors.toolkit.quality.rows.Table`. Raises `BadRule` for a value that the field cannot keep."""
        found = _field(self.model, field)
        try:
            return found.to_python(value)
        except ValidationError as error:
            raise BadRule(f'"{field}" of {self.model._meta.label_lower}: {" ".join(error.messages)}') from None

    def values_of(self, dataset: str, fields: tuple[str, ...]) -> Iterable[tuple[Any, ...]]:
        """See `collectors.toolkit.quality.rows.Table`. Raises `BadRule` for a table that is not here."""
        try:
            model = apps.get_model(dataset)
        except (LookupError, ValueError):
            raise BadRule(f"There is no table {dataset} here.") from None
        for name in fields:
            _field(model, name)
        rows = model._default_manager.all()
        if any(field.name == "archived_at" for field in model._meta.concrete_fields):
            rows = rows.filter(archived_at__isnull=True)
        values: Iterable[tuple[Any, ...]] = rows.values_list(*fields).iterator(chunk_size=CHUNK)
        return values


def check_fields(rule: Rule, model: type[models.Model]) -> None:
    """Raise `BadRule` where a rule names a field that the table does not have, or a value that it cannot keep."""
    table = ModelTable(model)
    for name in rule.field_names():
        _field(model, name)
    for limit in ("minimum", "maximum"):
        if rule.kind == "range" and (value := getattr(rule, limit)) is not None:
            table.convert(rule.field_names()[0], value)
    for value in getattr(rule, "values", ()):
        table.convert(rule.field_names()[0], value)


def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    try:
        found = model._meta.get_field(name)
    except FieldDoesNotExist:
        raise BadRule(f'{model._meta.label_lower} has no field "{name}".') from None
    if not isinstance(found, models.Field):
        raise BadRule(f'"{name}" of {model._meta.label_lower} is no column.')
    return found
