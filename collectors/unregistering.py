"""Taking back what a module of models did to Django before it failed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.models import Model


def forget_models(registry: Apps, label: str, package: str) -> None:
    """Leave nothing of the models with this label, which were defined below this package."""
    models = list(registry.all_models[label].values())
    for model in models:
        _forget_relations(model)
    _forget_waiting(registry, label, package)
    registry.all_models[label].clear()
    registry.clear_cache()
    prefix = f"{package}.models"
    for name in [name for name in sys.modules if name == prefix or name.startswith(f"{prefix}.")]:
        del sys.modules[name]


def _forget_relations(model: type[Model]) -> None:
    """Related models got an accessor for the way back."""
    for field in (*model._meta.local_fields, *model._meta.local_many_to_many):
        relation = field.remote_field
        if relation is None or isinstance(relation.model, str):
            continue
        accessor = relation.get_accessor_name()
        if accessor and accessor in vars(relation.model):
            delattr(relation.model, accessor)


def _forget_waiting(registry: Any, label: str, package: str) -> None:
    """Relations to models that do not exist wait for them, and Django's checks find them waiting."""
    for key, waiting in list(registry._pending_operations.items()):
        kept = [operation for operation in waiting if not _is_ours(operation.func, package)]
        if key[0] == label or not kept:
            del registry._pending_operations[key]
        else:
            registry._pending_operations[key] = kept


def _is_ours(operation: Any, package: str) -> bool:
    return any(getattr(value, "__module__", "").startswith(f"{package}.") for value in _arguments(operation))


def _arguments(operation: Any) -> Iterator[Any]:
    while isinstance(operation, partial):
        yield from operation.args
        yield from (getattr(value, "model", value) for value in operation.keywords.values())
        operation = operation.func
