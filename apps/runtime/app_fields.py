"""Changing an app from a shell: what is typed means what it means in the form, and is refused by the same rules."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.registry.models import App
from apps.registry.services import BadArguments, change_app

#: What people decide about an app; the rest follows from its room, or from what becomes of it.
FIELDS = (
    *("description", "tags", "kind", "schedule", "interval_s", "cron", "time_zone", "jitter_s", "overlap", "missed"),
    *("args", "queue", "max_parallel", "is_exclusive", "warm_start", "retry_attempts", "retry_interval_s"),
    *("disable_after", "time_limit_s", "stop_grace_s", "memory_limit_mb", "cpu_limit_s", "process_limit"),
)
WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def set_fields(app: App, pairs: Iterable[str], *, now: datetime) -> dict[str, Any]:
    """Set what was typed as FIELD=VALUE; an empty value takes away what may be empty. Returns what has changed.

    Raises `BadArguments`, which names each field that is wrong. Nothing is changed then.
    """
    values = _read(pairs)
    if not values:
        raise BadArguments(f"Say what to set, as FIELD=VALUE. The fields: {', '.join(FIELDS)}.")
    try:
        with transaction.atomic():
            changed = change_app(app, now=now, **values)
            told: dict[str, Any] = {
                name: [getattr(app, name), getattr(changed, name)]
                for name in values
                if getattr(app, name) != getattr(changed, name)
            }
            if told:
                before = {name: was for name, (was, _after) in told.items()}
                after = {name: after for name, (_was, after) in told.items()}
                shell = AuditEntry.SHELL
                record("app.changed", app.code, source=shell, now=now, obj=app, before=before, after=after)
    except ValidationError as error:
        raise BadArguments(faults_of(error)) from None
    return {name: after for name, (_before, after) in told.items()}


def _read(pairs: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise BadArguments(f'"{pair}" is not of the form FIELD=VALUE.')
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"they are: {', '.join(FIELDS)}."
            raise BadArguments(f'"{name}" is not a field of an app that can be set; {hint}')
        try:
            values[name] = _value(name, text.strip())
        except ValidationError as error:
            faults[name] = error.messages
    if faults:
        raise BadArguments(_sentences(faults))
    return values


def _value(name: str, text: str) -> Any:
    """What the field of a form makes of a text; the rules of the model come after that."""
    field: Any = App._meta.get_field(name)
    form_field: Any = field.formfield()
    if isinstance(form_field, forms.BooleanField):
        if text.lower() not in WORDS:
            raise ValidationError("Write yes or no.")
        return WORDS[text.lower()]
    if isinstance(form_field, forms.TypedChoiceField):
        return text.upper()
    form_field.required = False
    found = form_field.clean(text)
    return field.get_default() if found is None and not field.null else found


def faults_of(error: Exception) -> str:
    """What is wrong, each fault with its field where it has one."""
    return _sentences(error.message_dict) if hasattr(error, "message_dict") else str(error)


def _sentences(faults: Mapping[str, Iterable[str]]) -> str:
    return " ".join(f"{name}: {' '.join(messages)}" for name, messages in faults.items())
