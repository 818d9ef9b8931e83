"""What one has to say besides, before an action on many is carried out: a schedule, an owner, arguments, a grace."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.accounts.models import User
from apps.registry.models import App
from apps.runtime.bulk_actions import KINDS, SCHEDULE_FIELDS
from apps.runtime.bulk_models import BulkJob
from apps.runtime.lifecycle import GRACE_DAYS, MOST_GRACE_DAYS


class NoOptions(forms.Form):
    """Nothing to say."""

    def said(self) -> dict[str, Any]:
        """The options of the job, as JSON."""
        return {}


class ScheduleOptions(NoOptions):
    schedule = forms.ChoiceField(label=_("Schedule"), choices=App.Schedule.choices, widget=UnfoldAdminSelectWidget)
    interval_s = forms.IntegerField(
        label=_("Interval (seconds)"),
        required=False,
        min_value=1,
        max_value=366 * 86400,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    cron = forms.CharField(
        label=_("Cron expression"), required=False, max_length=100, widget=UnfoldAdminTextInputWidget
    )
    time_zone = forms.CharField(label=_("Time zone"), max_length=64, initial="UTC", widget=UnfoldAdminTextInputWidget)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors:
            # The model knows what is wrong with a schedule, whichever app it is of.
            try:
                App(**{name: data[name] for name in SCHEDULE_FIELDS}).clean_fields(
                    exclude={field.name for field in App._meta.fields} - set(SCHEDULE_FIELDS)
                )
            except ValidationError as error:
                self.add_error(None, error)
        return data

    def said(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in SCHEDULE_FIELDS}


class OwnerOptions(NoOptions):
    owner = forms.ModelChoiceField(
        label=_("Owner"),
        required=False,
        queryset=User.objects.none(),
        empty_label=_("nobody"),
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["owner"]
        field.queryset = User.objects.filter(is_active=True).order_by("username")

    def said(self) -> dict[str, Any]:
        owner = self.cleaned_data["owner"]
        return {"owner_id": owner.pk if owner else None}


class GraceOptions(NoOptions):
    grace_days = forms.IntegerField(
        label=_("Days until its rows are deleted"),
        initial=GRACE_DAYS,
        min_value=0,
        max_value=MOST_GRACE_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("They are disabled at once. Until then it can be taken back; what they collected stays."),
    )

    def said(self) -> dict[str, Any]:
        return {"grace_days": self.cleaned_data["grace_days"]}


class ArgumentOptions(NoOptions):
    args = forms.JSONField(
        label=_("Arguments"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_('Empty: as each run had them. A JSON object, such as {"category": "Poetry"}, is for all instead.'),
    )
    limit = forms.IntegerField(
        label=_("Limit"),
        required=False,
        min_value=1,
        max_value=2_147_483_647,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("With other arguments: so many items at most; empty: all."),
    )
    dry_run = forms.BooleanField(
        label=_("Dry run"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("With other arguments: nothing is written."),
    )

    def clean_args(self) -> Any:
        args = self.cleaned_data["args"]
        if args is not None and not isinstance(args, dict):
            raise ValidationError(_('Write a JSON object, such as {"category": "Poetry"}.'))
        return args

    def said(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("args", "limit", "dry_run")}


FORMS: dict[str, type[NoOptions]] = {
    "schedule": ScheduleOptions,
    "owner": OwnerOptions,
    "grace": GraceOptions,
    "arguments": ArgumentOptions,
}


def options_form(job: BulkJob, data: Any = None) -> NoOptions:
    """The form of a job; one without fields where there is nothing to say, or where each row says it."""
    names = () if job.undo_of_id else KINDS[BulkJob.Action(job.action)].options
    return next((FORMS[name](data) for name in names), NoOptions(data))
