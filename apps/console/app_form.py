"""What people decide about an app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelect2Widget

from apps.registry.cron import zones
from apps.registry.models import App

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[App]
else:
    _ModelForm = forms.ModelForm

FIELDSETS: Any = [
    (None, {"fields": ("parent", "name", "description", "owner", "tags")}),
    (
        _("When it runs"),
        {"fields": ("kind", "schedule", "interval_s", "cron", "time_zone", "jitter_s", "overlap", "missed")},
    ),
    (_("How it runs"), {"fields": ("args", "queue", "max_parallel", "is_exclusive", "warm_start")}),
    (_("After a failure"), {"fields": ("retry_attempts", "retry_interval_s", "disable_after")}),
    (
        _("Limits"),
        {"fields": ("time_limit_s", "stop_grace_s", "memory_limit_mb", "cpu_limit_s", "process_limit")},
    ),
]
HELP = {
    "kind": _("Only managed apps are started by the clock."),
    "interval_s": _('For the schedule "interval".'),
    "cron": _('For the schedule "cron expression": minute, hour, day of the month, month, day of the week.'),
    "time_zone": _("In which the cron expression is meant, and in which due times are shown here."),
    "overlap": _("What becomes of a due run while another one is queued or live."),
    "missed": _("What becomes of due times that passed while nothing ran the clock."),
}


class AppForm(_ModelForm):
    """Everything about an app that people decide; who it is comes from its room. The model says what is wrong."""

    class Meta:
        model = App
        exclude = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("description", "tags", "args"):
            if name in self.fields:
                self.fields[name].widget.attrs["rows"] = 3
        for name, text in HELP.items():
            if name in self.fields:
                self.fields[name].help_text = text

    def clean_tags(self) -> Any:
        return self.cleaned_data["tags"] or []

    def clean_args(self) -> Any:
        return self.cleaned_data["args"] or {}


def time_zone_field(field: models.Field[Any, Any]) -> forms.Field:
    """A list one can search in. A name that is none is refused by the model, which knows what is close."""
    choices = [(name, name) for name in sorted(zones())]
    return forms.CharField(
        label=capfirst(field.verbose_name),
        initial="UTC",
        max_length=64,
        widget=UnfoldAdminSelect2Widget(choices=choices),
    )
