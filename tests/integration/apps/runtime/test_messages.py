"""What people are told: one message when something changed, none while it is still so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from apps.core.clock import utc_now
from apps.notifications.models import Channel, Delivery
from apps.registry.models import App
from apps.runtime.ending import end_run
from apps.runtime.messages import APP_PAGE, RUN_PAGE, tell_not_run
from apps.runtime.models import Command, Runtime, State
from apps.runtime.scheduling import request_due_runs
from apps.runtime.services import issue_command
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")

Trigger = Runtime.Trigger


@pytest.fixture(autouse=True)
def somebody_listens() -> None:
    Channel.objects.create(name="team", service=Channel.Service.EMAIL, recipients="team@example.com")


def told() -> list[tuple[str, str]]:
    return list(Delivery.objects.order_by("pk").values_list("kind", "subject"))


def ended(
    app: App, state: State, *, by: Trigger = Trigger.SCHEDULE, cause: str = "No price.", **values: Any
) -> Runtime:
    run = make_run(app, State.RUNNING, trigger=by)
    assert end_run(run, state, now=utc_now(), cause=cause, **values)
    return run


FAILED = ("FAILED", "examples.shop.books failed")
RECOVERED = ("RECOVERED", "examples.shop.books works again")
DISABLED = ("DISABLED", "examples.shop.books was disabled")
NOT_RUN = ("NOT_RUN", "examples.shop.books did not run")


def test_the_first_failure_is_told_and_the_first_success_after_it() -> None:
    app = make_app(is_enabled=True, disable_after=0)
    for state in ("SUCCEEDED", "SUCCEEDED", "FAILED", "FAILED", "STOPPED", "FAILED", "SUCCEEDED", "SUCCEEDED"):
        ended(app, State(state))
    assert told() == [FAILED, RECOVERED]


def test_a_message_says_the_cause_when_it_is_tried_again_and_leads_to_the_run() -> None:
    app = make_app(is_enabled=True, retry_attempts=1)
    run = ended(app, State.FAILED, cause="The page has changed.")
    retry = Runtime.objects.get(state=State.QUEUED)
    message = Delivery.objects.get()
    assert message.body == (f"The page has changed.\n\nIt is tried again at {retry.not_before:%Y-%m-%d %H:%M:%S} UTC.")
    assert message.link.endswith(f"/admin/runtime/runtime/{run.pk}/change/")
    assert message.app_code == app.code


def test_disabling_is_one_message_and_not_two() -> None:
    app = make_app(is_enabled=True, disable_after=2)
    for _ in range(5):
        ended(app, State.FAILED)
    assert told() == [FAILED, DISABLED]
    assert "2 runs in a row failed. The last cause: No price." in Delivery.objects.get(kind="DISABLED").body


def test_a_trial_that_fails_is_told_and_one_that_succeeds_too() -> None:
    app = make_app(is_enabled=True, disable_after=1)
    ended(app, State.FAILED)
    for state in (State.FAILED, State.SUCCEEDED):
        command = issue_command(app, Command.Verb.ENABLE, source=Command.Source.ADMIN)
        Runtime.objects.filter(pk=command.runtime_id).update(state=State.RUNNING, slot=0)
        end_run(Runtime.objects.get(pk=command.runtime_id), state, now=utc_now(), cause="x")
    assert told() == [DISABLED, DISABLED, RECOVERED]


def test_who_runs_it_by_hand_sees_the_end_and_needs_no_message() -> None:
    app = make_app(is_enabled=True)
    ended(app, State.FAILED, by=Trigger.SHELL)
    ended(app, State.SUCCEEDED, by=Trigger.SHELL)
    assert told() == []


def test_a_run_that_was_lost_is_told_like_any_other() -> None:
    app = make_app(is_enabled=True)
    ended(app, State.CRASHED, error_category="platform")
    ended(app, State.CRASHED, error_category="platform")
    assert told() == [("FAILED", "examples.shop.books crashed")]


def test_the_first_run_of_a_series_that_did_not_happen_is_told() -> None:
    app, now = make_app(is_enabled=True), utc_now()
    for minute in range(3):
        run = make_run(app, trigger=Trigger.SCHEDULE, due_at=now + timedelta(minutes=minute))
        end_run(run, State.SKIPPED, now=now, cause="Skipped: the one before still runs.")
        tell_not_run(run, now=now)  # whoever tells it once more changes nothing
    assert told() == [NOT_RUN]


def test_a_run_that_the_clock_skips_is_told() -> None:
    now = utc_now().replace(microsecond=0)
    app = make_app(is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=60, next_run_at=now, next_due_at=now)
    make_run(app, State.RUNNING)
    assert request_due_runs(now=now) == []
    assert told() == [NOT_RUN]


def test_a_schedule_that_cannot_be_followed_disables_the_app_and_is_told() -> None:
    now = utc_now().replace(microsecond=0)
    app = make_app(is_enabled=True, schedule=App.Schedule.CRON, cron="0 0 * * *", time_zone="Nowhere/Land")
    App.objects.filter(pk=app.pk).update(next_run_at=now, next_due_at=now)
    request_due_runs(now=now)
    app.refresh_from_db()
    assert (app.is_enabled, app.fatal) == (False, App.Fatal.BLOCKED)
    assert told() == [DISABLED]


def test_the_addresses_are_those_of_the_pages() -> None:
    assert RUN_PAGE.format("a1") == reverse("admin:runtime_runtime_change", args=["a1"])
    assert APP_PAGE.format(7) == reverse("admin:registry_app_change", args=[7])


def test_each_message_says_the_cause_and_leads_to_where_one_sees_it(settings: Any) -> None:
    settings.DC_PUBLIC_URL = "https://dc.example.com"
    app, now = make_app(is_enabled=True, disable_after=2), utc_now()
    failed = ended(app, State.FAILED, cause="No price.")
    well = ended(app, State.SUCCEEDED, cause="")
    ended(app, State.FAILED, cause="No title.")
    last = ended(app, State.CRASHED, cause="The process was ended by SIGSEGV.")
    skipped = make_run(app, trigger=Trigger.SCHEDULE, due_at=now)
    end_run(skipped, State.SKIPPED, now=now, cause="Skipped: the one before still runs.")
    # Of each kind the first one.
    messages = {message.kind: message for message in Delivery.objects.order_by("-pk")}
    expected = {
        "FAILED": ("No price.", failed),
        "RECOVERED": ("Its last run succeeded.", well),
        "DISABLED": ("2 runs in a row failed. The last cause: The process was ended by SIGSEGV.", last),
        "NOT_RUN": ("Skipped: the one before still runs.", skipped),
    }
    assert set(messages) == set(expected)
    for kind, (cause, run) in expected.items():
        assert cause in messages[kind].body
        assert messages[kind].link == f"https://dc.example.com/admin/runtime/runtime/{run.pk}/change/"


def test_an_app_that_the_clock_disabled_leads_to_the_app(settings: Any) -> None:
    settings.DC_PUBLIC_URL = "https://dc.example.com"
    now = utc_now().replace(microsecond=0)
    app = make_app(is_enabled=True, schedule=App.Schedule.CRON, cron="0 0 * * *", time_zone="Nowhere/Land")
    App.objects.filter(pk=app.pk).update(next_run_at=now, next_due_at=now)
    request_due_runs(now=now)
    message = Delivery.objects.get()
    assert "Its schedule cannot be followed" in message.body
    assert message.link == f"https://dc.example.com/admin/registry/app/{app.pk}/change/"
