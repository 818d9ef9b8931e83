"""Writes to rows with the entry of the audit that says what they changed: alike for pages, the API and the shell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet

from apps.accounts.audit import entry, record
from apps.accounts.models import AuditEntry, User

_M = TypeVar("_M", bound=Model)
BATCH = 500


@transaction.atomic
def change_each(
    rows: QuerySet[Any],
    values: Mapping[str, Any],
    *,
    action: str,
    actor: User | None,
    source: str,
    now: datetime,
    **details: Any,
) -> int:
    """Set the same fields of many rows by one statement; how many there were. An entry for each that it changed."""
    model = rows.model
    keys = list(rows.order_by().values_list("pk", flat=True))
    # In the order of their keys, as everybody who locks several of them does; without the joins of filters.
    locked = list(model._base_manager.select_for_update().filter(pk__in=keys).order_by("pk"))
    before = {row.pk: {name: getattr(row, name) for name in values} for row in locked}
    count = model._base_manager.filter(pk__in=[row.pk for row in locked]).update(**values)
    told = [
        entry(action, str(row), source=source, actor=actor, now=now, obj=row, before=was, after=after, **details)
        for row in locked
        if (was := before[row.pk]) != (after := {name: _value(row, name, value) for name, value in values.items()})
    ]
    AuditEntry.objects.bulk_create(told, batch_size=BATCH)
    return int(count)


def note_each(
    rows: Iterable[Model], action: str, *, actor: User | None, source: str, now: datetime, **details: Any
) -> None:
    """An entry for each of the rows, to which something was done that is no change of a field."""
    told = [entry(action, str(row), source=source, actor=actor, now=now, obj=row, **details) for row in rows]
    AuditEntry.objects.bulk_create(told, batch_size=BATCH)


@transaction.atomic
def save_form(form: forms.ModelForm[_M], *, actor: User | None, source: str, now: datetime) -> _M:
    """Save what somebody sent, with what it changed. Raises Django's `ValidationError`, which names each field."""
    if not form.is_valid():
        raise ValidationError({name: list(faults) for name, faults in form.errors.items()})
    is_new = form.instance.pk is None or form.instance._state.adding
    changed = form.changed_data
    before = {} if is_new else {name: form.initial.get(name) for name in changed}
    after = {name: form.cleaned_data.get(name) for name in changed}
    row = form.save()
    if is_new or changed:
        name = f"{row._meta.model_name}.{'added' if is_new else 'changed'}"
        record(name, str(row), source=source, actor=actor, now=now, obj=row, before=before, after=after)
    return row


@transaction.atomic
def delete_row(row: Model, *, actor: User | None, source: str, now: datetime) -> None:
    """Delete it. Raises `ProtectedError` where something needs it."""
    name = f"{row._meta.model_name}.deleted"
    record(name, str(row), source=source, actor=actor, now=now, obj=row)
    row.delete()


def _value(row: Model, name: str, value: Any) -> Any:
    """As the row would say it, so that "who" by key and by object are the same."""
    field: Any = row._meta.get_field(name)
    if field.is_relation and value is not None and not isinstance(value, Model):
        return field.related_model._base_manager.filter(pk=value).first()
    return value
