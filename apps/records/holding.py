"""What is current of a thing whose new row was put aside stays as it is: the thing was seen, only not well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q

from apps.records.backends.base import Backend, batches
from apps.records.models import DataTable

#: So many keys are looked up at once.
KEYS = 200


def hold(backend: Backend, model: type[DataTable], scope: Mapping[str, Any], keys: Iterable[tuple[Any, ...]]) -> int:
    """Take the current rows of these keys out of `diff`, unless they have a successor there; how many there were."""
    kept = 0
    for some in batches(dict.fromkeys(keys), KEYS):
        pks = _current(backend, model, scope, some)
        if pks and (gone := [pk for (pk,) in backend.rows(backend.sql.without_successor(len(pks)), pks)]):
            kept += backend.execute(backend.sql.forget(len(gone)), gone)
    return kept


def _current(
    backend: Backend, model: type[DataTable], scope: Mapping[str, Any], keys: Sequence[tuple[Any, ...]]
) -> list[Any]:
    wanted = Q()
    for key in keys:
        named = zip(model.natural_key, key, strict=True)
        wanted |= Q(**{f"{name}__isnull" if value is None else name: value is None or value for name, value in named})
    rows = model._default_manager.using(backend.connection.alias).filter(wanted, archived_at__isnull=True, **scope)
    return list(rows.values_list("pk", flat=True))
