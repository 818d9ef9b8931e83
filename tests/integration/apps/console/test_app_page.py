"""The pages of apps, and what their buttons do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import constants
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import Command, Runtime, State
from collectors.discovery import installed_rooms
from tests.integration.factories import make_app, make_run
from tests.integration.people import messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

APPS = "/admin/registry/app/"


def press(app: App, verb: str, role: str = "operator", **values: Any) -> Any:
    return signed_in(role).post(f"{APPS}{app.pk}/command/", {"verb": verb, **values}, follow=True)


def form_of(app: App, **values: Any) -> dict[str, Any]:
    return {
        "kind": app.kind,
        "schedule": app.schedule,
        "interval_s": app.interval_s or "",
        "cron": app.cron,
        "time_zone": app.time_zone,
        "jitter_s": app.jitter_s,
        "overlap": app.overlap,
        "missed": app.missed,
        "queue": app.queue,
        "warm_start": "on",
        "retry_attempts": app.retry_attempts,
        "retry_interval_s": app.retry_interval_s,
        "disable_after": app.disable_after,
        "description": app.description,
        "tags": "[]",
        "args": "{}",
        "max_parallel": app.max_parallel,
        "stop_grace_s": app.stop_grace_s,
        **values,
    }


def test_the_list_costs_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in()
    for number in range(30):
        make_run(make_app(f"a.b.app{number}"), State.FAILED)
    client.get(APPS)
    with django_assert_num_queries(5):  # session, user, count, page, groups of the filter
        page = client.get(APPS)
    assert "a.b.app29" in page.text


def test_the_list_tells_how_each_app_does() -> None:
    make_run(make_app(is_enabled=True, schedule="INTERVAL", interval_s=90), State.TIMED_OUT)
    make_app("a.b.silent")
    page = signed_in("viewer").get(APPS).text
    assert "timed out" in page
    assert "every 90 seconds" in page
    assert "by hand" in page


def test_run_now_queues_a_run_and_leads_to_its_page() -> None:
    app = make_app(is_enabled=True)
    response = press(app, "START")
    run = Runtime.objects.get()
    assert response.redirect_chain[-1][0] == f"/admin/runtime/runtime/{run.pk}/change/"
    assert messages_of(response) == ["examples.shop.books was started."]
    command = Command.objects.get()
    assert (command.issuer.username, command.source, command.runtime) == ("operator", "ADMIN", run)  # type: ignore[union-attr]


def test_what_cannot_be_done_is_said_with_its_reason() -> None:
    response = press(make_app(), "START")
    assert messages_of(response) == ["examples.shop.books is disabled; enable it first."]
    assert [message.level for message in response.context["messages"]] == [constants.ERROR]


def test_an_unknown_verb_is_refused() -> None:
    assert messages_of(press(make_app(), "EXPLODE")) == ['"EXPLODE" is not something an app can be told to do.']
    assert not Command.objects.exists()


def test_enable_and_disable_switch_the_app_and_leave_a_command() -> None:
    app = make_app(schedule="INTERVAL", interval_s=60)
    press(app, "ENABLE")
    assert App.objects.filter(is_enabled=True, next_run_at__isnull=False).exists()
    press(app, "DISABLE")
    assert App.objects.filter(is_enabled=False, next_run_at__isnull=True).exists()
    assert Command.objects.filter(state=Command.Progress.EXECUTED).count() == 2


def test_stop_cancels_a_waiting_run() -> None:
    app = make_app(is_enabled=True)
    run = make_run(app)
    press(app, "STOP")
    run.refresh_from_db()
    assert run.state == State.CANCELLED


@pytest.mark.parametrize("verb", Command.Verb.values)
def test_a_viewer_has_no_buttons_and_is_refused(verb: str) -> None:
    app = make_app(is_enabled=True)
    assert press(app, verb, role="viewer").status_code == 403
    page = signed_in("viewer").get(f"{APPS}{app.pk}/change/").text
    assert 'name="verb"' not in page
    assert not Command.objects.exists()


def test_the_buttons_offered_are_those_that_do_something() -> None:
    app, client = make_app(is_enabled=True), signed_in("operator")

    def offered() -> set[str]:
        panel = client.get(f"{APPS}{app.pk}/live/").text
        return {verb for verb in Command.Verb.values if f'value="{verb}"' in panel}

    assert offered() == {"START", "DISABLE"}
    make_run(app, State.RUNNING)
    assert offered() == {"STOP", "RESTART", "DISABLE"}
    App.objects.update(is_enabled=False)
    assert offered() == {"STOP", "ENABLE"}


def test_commands_come_by_post_alone() -> None:
    app = make_app(is_enabled=True)
    assert signed_in("operator").get(f"{APPS}{app.pk}/command/?verb=START").status_code == 405
    assert not Runtime.objects.exists()


def test_many_are_started_and_what_was_refused_is_told() -> None:
    ready, disabled = make_app(is_enabled=True), make_app("a.b.off")
    response = signed_in("operator").post(
        APPS, {"action": "start_apps", "_selected_action": [ready.pk, disabled.pk]}, follow=True
    )
    assert messages_of(response) == ["1 of 2 apps started.", "Not started: a.b.off is disabled; enable it first."]
    assert Runtime.objects.get().app == ready


@pytest.mark.parametrize("action", ["start_apps", "stop_apps", "restart_apps", "enable_apps", "disable_apps"])
def test_every_action_issues_one_command_per_app(action: str) -> None:
    chosen = [make_app(f"a.b.app{number}").pk for number in range(3)]
    signed_in("operator").post(APPS, {"action": action, "_selected_action": chosen})
    assert Command.objects.count() == 3


def test_an_action_a_role_does_not_have_does_nothing() -> None:
    app = make_app(is_enabled=True)
    client = signed_in("viewer")
    client.post(APPS, {"action": "start_apps", "_selected_action": [app.pk]})
    assert not Command.objects.exists()
    assert "start_apps" not in client.get(APPS).text


def test_a_changed_schedule_takes_effect_at_once() -> None:
    app = make_app(is_enabled=True, schedule="INTERVAL", interval_s=60, next_run_at=utc_now() + timedelta(seconds=60))
    signed_in("operator").post(f"{APPS}{app.pk}/change/", form_of(app, interval_s=7200))
    app.refresh_from_db()
    assert app.interval_s == 7200
    assert app.next_run_at is not None
    assert app.next_run_at > utc_now() + timedelta(seconds=7000)


def test_a_form_writes_only_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(is_enabled=True, schedule="INTERVAL", interval_s=60)
    due = utc_now() + timedelta(seconds=42)
    clean = App.full_clean

    def full_clean(self: App, *args: Any, **kwargs: Any) -> None:
        # The clock starts a run while the form is being handled.
        App.objects.filter(pk=self.pk).update(epoch=5, next_run_at=due)
        clean(self, *args, **kwargs)

    monkeypatch.setattr(App, "full_clean", full_clean)
    signed_in("operator").post(f"{APPS}{app.pk}/change/", form_of(app, description="Prices of books"))
    app.refresh_from_db()
    assert (app.description, app.epoch, app.next_run_at) == ("Prices of books", 5, due)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"schedule": "INTERVAL", "interval_s": ""}, "An interval schedule needs an interval of at least one second."),
        ({"interval_s": 0}, "greater than or equal to 1"),
        ({"args": "[1]"}, "Write a JSON object"),
        ({"args": "{nonsense"}, "valid JSON"),
        ({"tags": '{"a": 1}'}, "Write a list of words"),
        ({"schedule": "CRON", "cron": ""}, "A cron schedule needs a cron expression."),
        ({"schedule": "CRON", "cron": "61 * * * *"}, "61"),
        ({"time_zone": "Europe/Berln"}, "did you mean Europe/Berlin?"),
        ({"queue": "No Queue"}, "small letters"),
        ({"jitter_s": 90_000}, "less than or equal to 86400"),
        ({"max_parallel": 0}, "greater than or equal to 1"),
    ],
)
def test_a_value_that_cannot_work_is_told_in_the_form(values: dict[str, Any], said: str) -> None:
    app = make_app()
    page = signed_in("operator").post(f"{APPS}{app.pk}/change/", form_of(app, **values))
    assert page.status_code == 200
    assert said in page.text


def test_the_page_says_why_a_source_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    app, gone = make_app(), make_app("a.b.gone")
    client = signed_in("viewer")
    assert "cannot be loaded" not in client.get(f"{APPS}{app.pk}/change/").text
    assert "Its room is not on this machine." in client.get(f"{APPS}{gone.pk}/change/").text
    room = next(room for room in installed_rooms() if room.room.info.code == app.code)
    monkeypatch.setattr(room, "import_error", "SyntaxError: invalid syntax")
    assert "Its source cannot be loaded: SyntaxError: invalid syntax" in client.get(f"{APPS}{app.pk}/live/").text


def test_an_app_that_is_not_there_is_not_found() -> None:
    client = signed_in("operator")
    assert client.get(f"{APPS}99/live/").status_code == 404
    assert client.post(f"{APPS}99/command/", {"verb": "START"}).status_code == 404


def test_apps_come_from_rooms_and_those_with_runs_stay() -> None:
    app = make_app()
    make_run(app, State.SUCCEEDED)
    client = signed_in()
    assert client.get(f"{APPS}add/").status_code == 403
    client.post(f"{APPS}{app.pk}/delete/", {"post": "yes"})
    assert App.objects.count() == 1


def test_a_schedule_is_changed_with_its_zone_and_its_next_times_are_shown_in_it() -> None:
    app = make_app(is_enabled=True)
    client = signed_in("operator")
    values = form_of(app, schedule="CRON", cron="30 2 * * *", time_zone="Asia/Tokyo", memory_limit_mb=512)
    assert client.post(f"{APPS}{app.pk}/change/", values).status_code == 302
    app.refresh_from_db()
    assert (app.cron, app.time_zone, app.memory_limit_mb) == ("30 2 * * *", "Asia/Tokyo", 512)
    assert app.next_run_at is not None
    page = client.get(f"{APPS}{app.pk}/live/").text
    assert page.count("02:30:00") == 5
    assert "due in Asia/Tokyo" in page


def test_an_app_that_the_platform_disabled_says_why_and_is_enabled_again_by_one_click() -> None:
    app = make_app(fatal="FAILED", fatal_reason="3 runs in a row failed: <b>no such host</b>", fatal_at=utc_now())
    page = signed_in("operator").get(f"{APPS}{app.pk}/change/").text
    assert "3 runs in a row failed: &lt;b&gt;no such host&lt;/b&gt;" in page
    assert page.count('value="ENABLE"') == 1
    assert "Enable again with a trial run" in page
    assert "Enable again" not in signed_in("viewer").get(f"{APPS}{app.pk}/change/").text
    press(app, "ENABLE")
    app.refresh_from_db()
    assert (app.is_enabled, app.is_on_trial) == (True, True)
    assert Runtime.objects.get().is_trial
    assert "On trial" in signed_in("viewer").get(f"{APPS}{app.pk}/live/").text


def test_an_app_that_waits_for_its_removal_says_so() -> None:
    app = make_app(remove_after=utc_now() + timedelta(days=30))
    page = signed_in("operator").get(f"{APPS}{app.pk}/change/").text
    assert "To be removed" in page
    assert 'value="ENABLE"' not in page


def test_a_live_run_is_restarted() -> None:
    app = make_app(is_enabled=True)
    make_run(app, State.RUNNING)
    assert messages_of(press(app, "RESTART")) == ["examples.shop.books was asked to start anew."]
    assert Command.objects.get().verb == Command.Verb.RESTART


def test_a_removal_is_cancelled_on_the_page_by_who_may_switch_apps() -> None:
    app = make_app(remove_after=utc_now() + timedelta(days=3))
    page = f"{APPS}{app.pk}/change/"
    assert 'value="KEEP"' in signed_in("operator").get(page).text
    assert 'value="KEEP"' not in signed_in("viewer").get(page).text
    assert press(app, "KEEP", role="viewer").status_code == 403
    assert messages_of(press(app, "KEEP")) == ["examples.shop.books is kept; it is disabled."]
    assert App.objects.get().remove_after is None
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.source) == ("app.removal_cancelled", "operator", "ADMIN")
    assert messages_of(press(app, "KEEP")) == ["examples.shop.books is not going to be removed."]
    assert AuditEntry.objects.count() == 1
