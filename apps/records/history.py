"""The versions of one thing: every row that was ever true of a natural key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from apps.records.models import DataTable
from apps.records.rows import business_fields
from collectors.toolkit.merge import changed_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One row, and what it changed."""

    row: DataTable
    since: datetime
    until: datetime | None
    """None: it is current."""
    written_by: str
    """The run that wrote it."""
    archived_by: str
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Field -> (before, after), against the version before; empty for the first one."""


def versions(model: type[DataTable], **key: Any) -> list[Version]:
    """Every version of one natural key, oldest first.

    Raises `ValueError` unless `key` names the fields of the natural key, all of them and no other.
    """
    if set(key) != set(model.natural_key):
        raise ValueError(f"the natural key of {model.__name__} is {', '.join(model.natural_key)}")
    rows = list(model._default_manager.filter(**key).order_by("created_at", "pk"))
    before = {new.pk: old for old, new in pairwise(rows)}
    return [version_of(row, before.get(row.pk)) for row in rows]


def version_of(row: DataTable, old: DataTable | None) -> Version:
    """The row as a version that came after `old`."""
    return Version(
        row=row,
        since=row.created_at,
        until=row.archived_at,
        written_by=row.runtime,
        archived_by=row.archived_by,
        changes=field_changes(old, row) if old is not None else {},
    )


def field_changes(old: DataTable, new: DataTable) -> dict[str, tuple[Any, Any]]:
    """Field -> (before, after) of the business fields in which two versions differ."""
    attributes = {each.name: each.attname for each in business_fields(type(new))}
    return changed_fields(
        {name: getattr(old, attribute) for name, attribute in attributes.items()},
        {name: getattr(new, attribute) for name, attribute in attributes.items()},
    )
