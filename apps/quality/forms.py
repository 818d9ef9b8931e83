"""The form of a rule: what makes no sense is refused, with the parameter that is at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.apps import apps
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.quality.models import Rule
from apps.quality.tables import check_fields
from collectors.discovery import installed_rooms
from collectors.toolkit.quality.kinds import KINDS, BadRule, make_rule, parameter_help

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Rule]
else:
    _ModelForm = forms.ModelForm


def datasets() -> list[tuple[str, str]]:
    """Every table of collected rows in this process."""
    labels = [
        model._meta.label_lower
        for room in installed_rooms()
        for model in room.get_models()
        if hasattr(model, "natural_key")
    ]
    return [(label, label) for label in sorted(labels)]


class RuleForm(_ModelForm):
    """A rule of this installation."""

    label = forms.ChoiceField(
        label=_("Dataset"), choices=list, widget=UnfoldAdminSelectWidget, help_text=_("A table of collected rows.")
    )
    kind = forms.ChoiceField(choices=list, widget=UnfoldAdminSelectWidget)
    parameters = forms.JSONField(
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_('As JSON, for a range: {"field": "price", "minimum": 0}'),
    )

    class Meta:
        model = Rule
        fields = ("label", "kind", "parameters", "severity", "name", "is_enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "label" not in self.fields:
            return  # somebody who may only look
        known = datasets()
        if self.instance.label and (self.instance.label,) * 2 not in known:
            known.append(
                (self.instance.label, _("%(dataset)s (not on this machine)") % {"dataset": self.instance.label})
            )
        self.fields["label"].choices = known  # type: ignore[attr-defined]
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            (name, f"{name}: {parameter_help(kind)}") for name, kind in KINDS.items()
        ]

    def clean_parameters(self) -> dict[str, Any]:
        parameters = self.cleaned_data["parameters"] or {}
        if not isinstance(parameters, dict):
            raise forms.ValidationError(_('Write an object, as in {"field": "price", "minimum": 0}.'))
        return parameters

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            rule = make_rule(
                cleaned["kind"], cleaned["parameters"], severity=cleaned["severity"], name=cleaned.get("name", "")
            )
            check_fields(rule, apps.get_model(cleaned["label"]))
        except LookupError:
            pass  # its room is on another machine, which will say
        except BadRule as error:
            self.add_error("severity" if "can " in str(error)[:60] else "parameters", str(error))
        return cleaned
