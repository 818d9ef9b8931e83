"""The form that starts a run, made of what the source says its arguments are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.registry.arguments import check_args, source_of
from apps.registry.models import App
from apps.registry.services import BadArguments

PREFIX = "arg_"
_FAULT = re.compile(r'Argument "([^"]+)": (.*?\.)(?= Argument "|$)', re.DOTALL)


def schema_of(app: App) -> Mapping[str, Any]:
    """JSON schema of the arguments: what the source says where it is on this machine, else what the register keeps."""
    source = source_of(app)
    if source is None:
        return dict(app.args_schema)
    return source.args_model.model_json_schema() if source.args_model else {}


class StartForm(forms.Form):
    """Arguments, limit and dry run of one run. `values` holds the arguments that differ from those of the app."""

    def __init__(self, app: App, data: Any = None) -> None:
        super().__init__(data)
        self.app = app
        self.values: dict[str, Any] = {}
        self._standing: dict[str, Any] = {}
        schema = schema_of(app)
        for name, written in schema.get("properties", {}).items():
            spec = _plain(written, schema.get("$defs", {}))
            known = app.args.get(name, spec.get("default"))
            self._standing[name] = known
            is_required = name in schema.get("required", []) and known is None
            self.fields[PREFIX + name] = _field(name, spec, known, is_required=is_required)
        self.fields["limit"] = forms.IntegerField(
            label=_("Limit"),
            required=False,
            min_value=1,
            max_value=2_147_483_647,
            widget=UnfoldAdminIntegerFieldWidget,
            help_text=_("So many items at most; empty: all."),
        )
        self.fields["dry_run"] = forms.BooleanField(
            label=_("Dry run"), required=False, widget=UnfoldBooleanSwitchWidget, help_text=_("Nothing is written.")
        )

    @property
    def takes_arguments(self) -> bool:
        """Whether the source has any."""
        return bool(self._standing)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name, known in self._standing.items():
            if PREFIX + name in data:
                value = _as_json(data[PREFIX + name])
                # Left empty: as the app has it; where it has something, that is taken away.
                if value != known and not (value in ("", []) and known is None):
                    self.values[name] = value
        if not self.errors:
            try:
                check_args(self.app, self.values)
            except BadArguments as error:
                self._tell(str(error))
        return data

    def _tell(self, text: str) -> None:
        """Each fault at its field."""
        faults = [(name.partition(".")[0], said) for name, said in _FAULT.findall(text)]
        if not faults or any(PREFIX + name not in self.fields for name, _said in faults):
            self.add_error(None, text)
            return
        for name, said in faults:
            self.add_error(PREFIX + name, said[:1].upper() + said[1:])


def _plain(spec: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A property without references, and without the "or nothing" of an optional one."""
    found = dict(spec)
    for _step in range(5):
        reference = found.pop("$ref", "")
        if reference:
            found = {**definitions.get(reference.rpartition("/")[2], {}), **found}
        choices = [choice for choice in found.get("anyOf", []) if choice.get("type") != "null"]
        if len(choices) == 1:
            del found["anyOf"]
            found = {**choices[0], **found, "nullable": True}
        if len(found.get("allOf", [])) == 1:
            found = {**found.pop("allOf")[0], **found}
        if not reference and len(choices) != 1:
            break
    return found


def _field(name: str, spec: Mapping[str, Any], known: Any, *, is_required: bool) -> forms.Field:
    label = str(spec.get("title") or name.replace("_", " ").capitalize())
    common: dict[str, Any] = {
        "label": label,
        "required": is_required,
        "help_text": str(spec.get("description", "")),
        "initial": known,
    }
    if "enum" in spec or "const" in spec:
        return _choice(spec.get("enum") or [spec["const"]], common)
    match spec.get("type"):
        case "boolean":
            common["required"] = False
            return forms.BooleanField(**common, widget=UnfoldBooleanSwitchWidget)
        case "integer":
            bounds: dict[str, Any] = {"min_value": spec.get("minimum"), "max_value": spec.get("maximum")}
            return forms.IntegerField(**common, **bounds, widget=UnfoldAdminIntegerFieldWidget)
        case "number":
            bounds = {"min_value": spec.get("minimum"), "max_value": spec.get("maximum")}
            widget = UnfoldAdminIntegerFieldWidget(attrs={"step": "any"})
            return forms.FloatField(**common, **bounds, widget=widget)
        case "string":
            return _text(spec, common)
        case "array" if spec.get("items", {}).get("type") in ("string", "integer", "number"):
            return _Lines(spec["items"]["type"], **common)
    common["help_text"] = f"{common['help_text']} JSON.".strip()
    return forms.JSONField(**common, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


def _text(spec: Mapping[str, Any], common: dict[str, Any]) -> forms.Field:
    match spec.get("format"):
        case "date":
            return forms.DateField(**common, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
        case "date-time":
            widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": "1"})
            return forms.DateTimeField(**common, widget=widget)
    return forms.CharField(**common, max_length=spec.get("maxLength", 10_000), widget=UnfoldAdminTextInputWidget)


def _choice(values: list[Any], common: dict[str, Any]) -> forms.Field:
    choices = [(json.dumps(value), str(value)) for value in values]
    if not common["required"] and common["initial"] is None:
        choices = [("", "-"), *choices]
    common["initial"] = "" if common["initial"] is None else json.dumps(common["initial"])
    return forms.TypedChoiceField(
        **common, choices=choices, coerce=json.loads, empty_value=None, widget=UnfoldAdminSelectWidget
    )


class _Lines(forms.CharField):
    """A list, one value a line."""

    KINDS = {"string": str, "integer": int, "number": float}

    def __init__(self, kind: str, **options: Any) -> None:
        options["initial"] = "\n".join(map(str, options.get("initial") or []))
        options["help_text"] = f"{options['help_text']} {_('One a line.')}".strip()
        super().__init__(**options, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))
        self.kind = kind

    def clean(self, value: Any) -> list[Any]:
        text = super().clean(value)
        try:
            return list(self._values(text))
        except ValueError:
            raise forms.ValidationError(_("Write one number a line.")) from None

    def _values(self, text: str) -> Iterator[Any]:
        return (self.KINDS[self.kind](line.strip()) for line in text.splitlines() if line.strip())


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
