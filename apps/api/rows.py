"""Rows that people write by a form, written by programs: refused by the same rules, and recorded alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django import forms
from django.db import transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.http import HttpRequest

from apps.accounts.changes import delete_row, save_form
from apps.api.access import by, visible
from apps.api.problems import Problem
from apps.api.versions import check_version, etag_of

_M = TypeVar("_M", bound=Model)
_Form = Callable[..., "forms.ModelForm[_M]"]


def find_row(request: HttpRequest, permission: str, rows: QuerySet[_M], what: str, **which: Any) -> _M:
    """The row for which who asks has the permission. Raises `Problem`, which says "There is no <what>"."""
    row = visible(request, permission, rows).filter(**which).first()
    if row is None:
        raise Problem("not-found", f"There is no {what}.")
    return row


def create_row(request: HttpRequest, form: _Form[_M], values: Mapping[str, Any]) -> _M:
    """A new row of these values. Raises Django's `ValidationError`."""
    return save_form(form(_as_sent(form(), values)), **by(request))


def change_row(
    request: HttpRequest,
    row: _M,
    form: _Form[_M],
    values: Mapping[str, Any],
    version: Callable[[Any], str] | None = None,
) -> _M:
    """Set these values, of which the others stay. Raises `Problem`, and Django's `ValidationError`."""
    with transaction.atomic():
        locked: Any = type(row)._base_manager.select_for_update().get(pk=row.pk)
        check_version(request, (version or row_version)(locked))
        shown = form(instance=locked)
        known = {name: value for name, value in shown.initial.items() if value is not None}
        return save_form(form(_as_sent(shown, {**known, **values}), instance=locked), **by(request))


def remove_row(request: HttpRequest, row: Model) -> None:
    """Delete it. Raises `Problem` where something else needs it."""
    try:
        delete_row(row, **by(request))
    except ProtectedError as error:
        others = ", ".join(sorted(str(each) for each in list(error.protected_objects)[:5]))
        raise Problem("conflict", f"{row} is still needed by {others}.") from None


def _as_sent(form: forms.ModelForm[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a browser sends them: an empty object that is no text would be taken for none."""
    is_json = {name for name, field in form.fields.items() if isinstance(field, forms.JSONField)}
    return {name: json.dumps(value) if name in is_json else value for name, value in values.items()}


def row_version(row: Model) -> str:
    """The tag of what people decide about a row; what the platform writes into it makes no new version."""
    values = {field.name: row.__dict__.get(field.attname) for field in row._meta.concrete_fields if field.editable}
    # Of a secret what is stored, which differs each time it is set.
    return etag_of(row.pk, {name: getattr(value, "token", value) for name, value in values.items()})
