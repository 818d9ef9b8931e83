"""Models need no marks: the names of models and fields, help texts and sentences about faults are translated from here.

A model says everything in plain English, much of it by its identifiers (`next_run_at` is "next run at"). Marks would
name each field a second time, and so would each migration. So each text is replaced by a lazy translation of itself
once all models are loaded; `texts` is what the catalogue has to know (docs/translating.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from apps.core.choices import Choices

OURS = "apps."


def translate_models() -> None:
    """Called once, when every model is there."""
    for owner, name, text in _places():
        if isinstance(text, str):
            setattr(owner, name, gettext_lazy(text))


def texts() -> set[str]:
    """Everything that models say, in English."""
    choices = (choice.word for choices in _choices(Choices) for choice in choices)
    return {*(str(text) for _owner, _name, text in _places()), *choices}


def _places() -> Iterator[tuple[Any, str, str | Promise]]:
    """Object, attribute and text."""
    for config in apps.get_app_configs():
        if config.name.startswith(OURS):
            yield config, "verbose_name", config.verbose_name
    for model, fields in _models():
        for owner, name in _holders(model, fields):
            text = getattr(owner, name, None)
            if isinstance(text, (str, Promise)) and str(text):
                yield owner, name, text


def _models() -> Iterator[tuple[type[Model] | None, list[Any]]]:
    """Our models with their fields; of the tables of rooms what they have from us."""
    for model in apps.get_models():
        if model.__module__.startswith(OURS):
            yield model, [*model._meta.local_fields, *model._meta.local_many_to_many]
            continue
        bases: Iterable[Any] = filter(_is_ours, model.__mro__)
        lent = {field.name for base in bases for field in base._meta.local_fields}
        if lent:
            yield None, [field for field in model._meta.local_fields if field.name in lent]


def _is_ours(base: Any) -> bool:
    return base.__module__.startswith(OURS) and hasattr(base, "_meta")


def _holders(model: type[Model] | None, fields: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    if model is not None:
        meta = model._meta
        if isinstance(meta.verbose_name_plural, Promise) and "verbose_name_plural" not in meta.original_attrs:
            # Django's own puts an "s" behind the name, whatever the language.
            meta.verbose_name_plural = _plural(meta.verbose_name_raw)
        yield meta, "verbose_name"
        yield meta, "verbose_name_plural"
        for constraint in meta.constraints:
            if constraint.violation_error_message != constraint.default_violation_error_message:
                yield constraint, "violation_error_message"
    for field in fields:
        yield field, "verbose_name"
        yield field, "help_text"
        for validator in field._validators:
            yield validator, "message"


def _plural(name: str) -> str:
    return f"{name[:-1]}ies" if name.endswith("y") and name[-2] not in "aeiou" else f"{name}s"


def _choices(base: type[Choices]) -> Iterator[type[Choices]]:
    for one in base.__subclasses__():
        if one.__members__ and one.__module__.startswith(OURS):
            yield one
        yield from _choices(one)
