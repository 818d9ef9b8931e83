"""The pages of apps, and what their buttons do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import constants
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.databases.models import AppDbObject
from apps.logs.group_models import ErrorGroup, ErrorGroupApp
from apps.logs.inbox import resolve_groups
from apps.quality.models import Dataset
from apps.registry.models import App
from apps.runtime.models import Command, Runtime, State
from collectors.discovery import installed_rooms
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_person, messages_of, signed_in

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
    with django_assert_num_queries(7):  # session, user, kept views, count, page, groups of the filter, tabs
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


def facts_of(app: App, role: str = "viewer") -> Any:
    return signed_in(role).get(f"{APPS}{app.pk}/live/?part=facts").context["facts"]


def make_runs(app: App, *seconds: float, state: State = State.SUCCEEDED, **values: Any) -> None:
    for took in seconds:
        began = utc_now() - timedelta(seconds=took)
        make_run(app, state, started_at=began, ended_at=began + timedelta(seconds=took), **values)


def test_a_run_that_takes_longer_than_the_others_is_called_unusual() -> None:
    app = make_app()
    make_runs(app, 10, 11, 10, 12, 11, 10, rows_seen=100)
    took, seen = facts_of(app).trends
    assert (took.verdict, seen.verdict) == ("", "")
    assert seen.usual_text == "100"
    make_runs(app, 300, state=State.FAILED, rows_seen=3)
    took, seen = facts_of(app).trends
    assert (took.verdict, seen.verdict) == (
        "The last run took longer than usual.",
        "The last run saw fewer rows than usual.",
    )
    assert [dot.is_bad for dot in took.chart.curves[0].dots] == [False] * 6 + [True]
    make_runs(app, 1, is_dry_run=True)
    assert len(facts_of(app).trends[0].chart.curves[0].dots) == 7  # a dry run says nothing


def test_the_facts_are_those_the_reader_may_know(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    app, now = make_app(description="Prices of books"), utc_now()
    run = make_run(app, State.FAILED, code_version="c0ffee" * 8)
    Dataset.objects.create(label="a.b", app=app, outcome="warn", cause="Too few rows.", runtime=run.pk, judged_at=now)
    AppDbObject.objects.create(app=app, connection="data", name="shop_book", kind="table", insert_at=now, last_run="")
    seen = {"first_seen_at": now, "last_seen_at": now}
    group = ErrorGroup.objects.create(
        fingerprint="f" * 32, title="no such host", level=40, last_runtime=run, last_line_number=7, **seen
    )
    ErrorGroupApp.objects.create(group=group, app=app, count=3, last_seen_at=now)
    url = f"{APPS}{app.pk}/live/?part=facts"
    client = signed_in("viewer")
    client.get(url)
    with django_assert_num_queries(
        10
    ):  # session, user, app, owner, runs and since when, objects, datasets, errors, roles
        page = client.get(url).text
    for fact in ("Prices of books", "c0ffeec0ffee", "Too few rows.", "shop_book", "no such host", "3 times", "writes"):
        assert fact in page, fact
    assert f"/admin/logs/errorgroup/{group.pk}/" in page
    assert "collectors/sources/examples/shop/books/main.py" in page

    person = make_person(name="neighbour")
    grant(person, "viewer", app)
    mine = signed_in("neighbour").get(url).text
    assert f"/admin/runtime/runtime/{run.pk}/log/#L7" in mine
    assert "errorgroup" not in mine
    assert "Too few rows." not in mine  # quality is granted as a whole
    resolve_groups(ErrorGroup.objects.all(), actor=None, source="ADMIN", now=now)
    assert "no such host" not in client.get(url).text


def test_a_command_is_shown_with_how_far_it_has_come() -> None:
    app = make_app(is_enabled=True)
    make_run(app, State.RUNNING)
    press(app, "STOP")
    client = signed_in("viewer")

    def steps() -> list[tuple[str, str]]:
        (line,) = client.get(f"{APPS}{app.pk}/live/").context["page"].commands
        return [(step.name, step.kind) for step in line.steps]

    assert steps() == [("requested", "done"), ("accepted", "waits"), ("done", "waits")]
    Command.objects.update(state=Command.Progress.CLAIMED, claimed_at=utc_now())
    assert steps() == [("requested", "done"), ("accepted", "done"), ("done", "waits")]
    Command.objects.update(state=Command.Progress.NOT_EXECUTED, finished_at=utc_now(), reason="It was gone.")
    assert steps()[-1] == ("refused", "refused")
    assert "It was gone." in client.get(f"{APPS}{app.pk}/live/").text
    Command.objects.update(state=Command.Progress.EXECUTED)
    assert steps()[-1] == ("done", "done")


def test_failures_are_cleared_by_who_may_switch_apps() -> None:
    app = make_app(is_enabled=True, failures_in_a_row=2)
    page = f"{APPS}{app.pk}/live/"
    assert "2 failures in a row of 3 that disable it" in signed_in("viewer").get(page).text
    assert 'value="CLEAR"' not in signed_in("viewer").get(page).text
    assert 'value="CLEAR"' in signed_in("operator").get(page).text
    assert press(app, "CLEAR", role="viewer").status_code == 403
    assert messages_of(press(app, "CLEAR")) == [
        "The failures of examples.shop.books are cleared: they are counted from zero."
    ]
    app.refresh_from_db()
    assert (app.failures_in_a_row, app.is_enabled) == (0, True)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.before) == ("app.failures_cleared", {"failures_in_a_row": 2, "fatal": "NONE"})
    assert messages_of(press(app, "CLEAR")) == ["examples.shop.books has no failures to clear."]


def test_clearing_takes_back_that_the_platform_disabled_an_app_but_decides_no_trial() -> None:
    app = make_app(fatal="FAILED", fatal_reason="3 runs in a row failed.", fatal_at=utc_now(), is_on_trial=True)
    assert messages_of(press(app, "CLEAR")) == ["examples.shop.books is on trial: its next run decides."]
    App.objects.update(is_on_trial=False)
    press(app, "CLEAR")
    app.refresh_from_db()
    assert (app.fatal, app.fatal_reason, app.fatal_at, app.is_enabled) == ("NONE", "", None, False)
    press(app, "ENABLE")
    app.refresh_from_db()
    assert (app.is_enabled, app.is_on_trial) == (True, False)


def test_due_times_are_told_in_the_zone_of_who_reads_as_well() -> None:
    app = make_app(is_enabled=True, schedule="CRON", cron="30 2 * * *", time_zone="Asia/Tokyo")
    page = signed_in("viewer").get(f"{APPS}{app.pk}/live/")
    assert [due.here.endswith("17:30:00") for due in page.context["page"].due] == [True] * 5
    App.objects.update(time_zone="UTC")
    assert [due.here for due in signed_in("viewer").get(f"{APPS}{app.pk}/live/").context["page"].due] == [""] * 5


def test_the_tabs_of_the_list_count_how_apps_stand() -> None:
    client = signed_in("viewer")
    assert "startcollector" in client.get(APPS).text
    make_app("a.b.silent", is_enabled=True)
    make_run(make_app("a.b.busy", is_enabled=True), State.RUNNING)
    make_run(make_app("a.b.bad", failures_in_a_row=2, fatal="FAILED"), State.FAILED)

    def counts(query: str = "") -> dict[str, int | None]:
        return {tab.title: tab.count for tab in client.get(APPS + query).context["cl"].shown_tabs}

    told = {"Queued or running": 1, "Failing": 1, "Disabled by the platform": 1, "Enabled": 2, "Disabled": 1}
    assert counts() == {"All": None, **told, "Never ran": 1}
    assert counts("?is_enabled__exact=0")["Enabled"] == 0
    assert set(counts("?q=busy").values()) == {None}
    tabs = client.get(f"{APPS}?standing=failing&is_enabled__exact=0&p=1").context["cl"].shown_tabs
    assert [tab.title for tab in tabs if tab.is_current] == ["Failing"]
    for tab in tabs:
        codes = {app.code for app in client.get(f"{APPS}{tab.url}").context["cl"].result_list}
        assert codes <= {"a.b.bad"}, tab.title
    assert "Nothing matches." in client.get(f"{APPS}?standing=running&is_enabled__exact=0").text
