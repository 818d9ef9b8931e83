"""What an app must not be set to: refused alike by the model, the service and the form, with the field named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.forms import modelform_factory

from apps.registry.models import App
from apps.registry.services import change_app
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)

REFUSED = [
    ("cron", {"schedule": "CRON", "cron": "61 * * * *"}, "the minute is wrong"),
    ("cron", {"schedule": "CRON", "cron": "0 0 30 2 *"}, "the day of the month is wrong"),
    ("cron", {"schedule": "CRON", "cron": "  "}, "A cron schedule needs a cron expression."),
    ("cron", {"cron": "often"}, "has one field; a cron expression has five"),
    ("time_zone", {"time_zone": "Europe/Berln"}, "did you mean Europe/Berlin?"),
    ("time_zone", {"time_zone": "../../etc/localtime"}, "is not a time zone"),
    ("interval_s", {"schedule": "INTERVAL", "interval_s": None}, "An interval schedule needs an interval"),
    ("interval_s", {"schedule": "INTERVAL", "interval_s": 0}, "greater than or equal to 1"),
    ("jitter_s", {"jitter_s": 100_000}, "less than or equal to 86400"),
    ("schedule", {"schedule": "SOMETIMES"}, "valid choice"),
    ("queue", {"queue": "No Queue"}, "Use small letters"),
    ("tags", {"tags": {"a": 1}}, "Write a list of words"),
    ("args", {"args": [1]}, "Write a JSON object"),
]


@pytest.mark.parametrize(("field", "values", "said"), REFUSED)
def test_the_service_refuses_it_names_the_field_and_changes_nothing(
    field: str, values: dict[str, Any], said: str
) -> None:
    app = make_app()
    before = App.objects.filter(pk=app.pk).values().get()
    with pytest.raises(ValidationError) as caught:
        change_app(app, now=NOON, **values)
    assert list(caught.value.message_dict) == [field]
    assert said in " ".join(caught.value.message_dict[field])
    assert App.objects.filter(pk=app.pk).values().get() == before


@pytest.mark.parametrize(("field", "values", "said"), REFUSED)
def test_a_form_says_the_same_at_the_same_field(field: str, values: dict[str, Any], said: str) -> None:
    names = ["schedule", "interval_s", "cron", "time_zone", "jitter_s", "queue", "tags", "args"]
    app = make_app()
    form = modelform_factory(App, fields=names)
    data = {name: getattr(app, name) for name in names} | values
    data = {name: "" if value is None else value for name, value in data.items()}
    data |= {name: json.dumps(data[name]) for name in ("tags", "args")}
    errors = form(data, instance=app).errors
    assert list(errors) == [field]
    assert said in " ".join(map(str, errors[field]))


def test_a_form_that_does_not_show_a_field_does_not_complain_about_it() -> None:
    app = make_app()
    App.objects.filter(pk=app.pk).update(cron="nonsense")
    app.refresh_from_db()
    assert modelform_factory(App, fields=["description"])({"description": "x"}, instance=app).is_valid()


@pytest.mark.parametrize(
    ("values", "due"),
    [
        ({"schedule": "INTERVAL", "interval_s": 90}, NOON + timedelta(seconds=90)),
        ({"schedule": "CRON", "cron": "0 0 1 1 *", "time_zone": "Asia/Tokyo"}, datetime(2026, 12, 31, 15, tzinfo=UTC)),
        ({"schedule": "MANUAL"}, None),
    ],
)
def test_a_changed_schedule_is_planned_anew_and_counted(values: dict[str, Any], due: datetime | None) -> None:
    app = make_app(is_enabled=True, schedule="INTERVAL", interval_s=60, next_due_at=NOON, next_run_at=NOON)
    changed = change_app(app, now=NOON, **values)
    app.refresh_from_db()
    assert (app.next_due_at, app.next_run_at, app.schedule_version) == (due, due, 1)
    assert changed.next_due_at == due


def test_a_change_of_anything_else_leaves_the_plan_alone() -> None:
    app = make_app(is_enabled=True, schedule="INTERVAL", interval_s=60, next_due_at=NOON, next_run_at=NOON)
    change_app(app, now=NOON, description="Prices", interval_s=60)
    app.refresh_from_db()
    assert (app.description, app.next_run_at, app.schedule_version) == ("Prices", NOON, 0)


def test_a_disabled_app_is_due_at_no_time_whatever_its_schedule() -> None:
    app = change_app(make_app(), now=NOON, schedule="INTERVAL", interval_s=60)
    assert (app.interval_s, app.next_run_at, app.schedule_version) == (60, None, 1)
