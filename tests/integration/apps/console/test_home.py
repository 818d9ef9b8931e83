"""The home page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.console import tables
from apps.console.home import HomePage, home_page
from apps.core.clock import utc_now
from apps.logs.group_models import ErrorGroup
from apps.notifications.models import Channel, Delivery
from apps.quality.models import Dataset, Outcome, QuarantinedRow
from apps.registry.models import App
from apps.runtime import days, needs
from apps.runtime.days import Sums, count_days
from apps.runtime.models import Runtime, State
from apps.runtime.parts import Part, Section, Standing
from apps.runtime.system import System
from collectors.discovery import installed_rooms
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "KEPT_S", 0.0)
    # The parts of the platform are another page's; here they would differ from machine to machine.
    monkeypatch.setattr(needs, "read_system", lambda **_: System(utc_now(), ()))


def read(asker: User | None = None, *, since: datetime | None = None) -> HomePage:
    return home_page(now=utc_now(), asker=asker or User(is_superuser=True), since=since)


def needs_of(home: HomePage) -> dict[str, list[str]]:
    return {need.name: [item.subject for item in need.items] for need in home.needs}


def test_an_empty_platform_says_the_next_step() -> None:
    page = signed_in("viewer").get("/admin/").text
    assert "No app is registered." in page
    assert "manage.py startcollector" in page
    assert "Nothing: no app's last run went wrong, every source loads" in page


def test_it_says_when_it_was_read_and_where_to_read_it_again() -> None:
    client, before = signed_in("viewer"), utc_now()
    page = client.get("/admin/").text
    assert 'data-live-url="/admin/live/"' in page
    measured = re.search(r'As of <time datetime="([^"]+)"', page)
    assert measured is not None
    assert before <= datetime.fromisoformat(measured[1]) <= utc_now()


def test_an_app_needs_somebody_when_its_last_telling_run_went_wrong() -> None:
    broken, mended, skipped = make_app(is_enabled=True), make_app("a.b.mended"), make_app("a.b.skipped")
    make_run(broken, State.FAILED, cause="The site is closed.")
    make_run(mended, State.FAILED)
    make_run(mended, State.SUCCEEDED)
    make_run(skipped, State.CRASHED)
    make_run(skipped, State.SKIPPED)
    assert set(needs_of(read())["failed"]) == {broken.code, skipped.code}
    page = signed_in("viewer").get("/admin/").text
    assert "The site is closed." in page
    assert page.count("disabled") >= 1


def test_an_app_that_the_platform_disabled_needs_somebody_and_says_why() -> None:
    now = utc_now()
    off = make_app("a.b.off", fatal=App.Fatal.FAILED, fatal_reason="3 runs in a row failed: no price.", fatal_at=now)
    make_run(off, State.FAILED, cause="No price.")
    # Its last run went well: only its schedule is wrong.
    clock = make_app(
        "a.b.clock", fatal=App.Fatal.BLOCKED, fatal_reason="Its schedule cannot be followed.", fatal_at=now
    )
    make_run(clock, State.SUCCEEDED)
    make_app("a.b.by_hand")
    assert {name: set(subjects) for name, subjects in needs_of(read()).items()} == {"disabled": {off.code, clock.code}}
    page = signed_in("viewer").get("/admin/").text
    for text in (
        "Disabled by the platform",
        "An operator repairs and enables it",
        off.fatal_reason,
        clock.fatal_reason,
    ):
        assert text in page
    assert f'href="/admin/registry/app/{clock.pk}/change/"' in page


def test_what_is_due_next_says_by_which_schedule() -> None:
    cron = {"schedule": App.Schedule.CRON, "cron": "30 2 * * *", "time_zone": "Europe/Berlin"}
    make_app("a.b.nightly", is_enabled=True, next_run_at=utc_now() + timedelta(hours=1), **cron)
    assert "cron 30 2 * * * Europe/Berlin, due" in signed_in("viewer").get("/admin/").text


def test_a_running_app_shows_its_progress() -> None:
    make_run(make_app(), State.RUNNING, task_size=120, solved=57, failed=3, started_at=utc_now())
    make_run(make_app("a.b.c"), State.RUNNING, solved=9, started_at=utc_now())
    page = signed_in("viewer").get("/admin/").text
    assert '<progress max="100" value="50"' in page
    assert "50 % of 120, 3 failed" in page
    assert "9 done; how many there are is not known" in page


def test_the_numbers_of_the_day_leave_out_what_is_older_and_what_never_ran() -> None:
    app = make_app()
    make_run(app, State.SUCCEEDED, rows_inserted=5, rows_archived=2)
    make_run(app, State.FAILED, rows_inserted=1)
    make_run(app, State.SKIPPED)
    old = make_run(app, State.SUCCEEDED, rows_inserted=100)
    type(old).objects.filter(pk=old.pk).update(queued_at=utc_now() - timedelta(hours=25))
    day = read().days.last_day
    assert (day.runs, day.succeeded, day.wrong, day.inserted, day.archived) == (2, 1, 1, 6, 2)
    assert day.success_percent == 50


def test_without_runs_there_is_no_rate_of_success() -> None:
    assert read().days.last_day.success_percent is None


def test_the_next_runs_are_those_of_enabled_apps_soonest_first() -> None:
    now = utc_now()
    make_app("a.b.later", is_enabled=True, interval_s=60, next_run_at=now + timedelta(hours=2))
    make_app("a.b.soon", is_enabled=True, interval_s=60, next_run_at=now + timedelta(minutes=2))
    make_app("a.b.off", interval_s=60, next_run_at=now)
    make_app("a.b.manual", is_enabled=True)
    make_app("a.b.next_week", is_enabled=True, interval_s=60, next_run_at=now + timedelta(days=6))
    home = read()
    assert ([app.code for app in home.due], home.due_count) == (["a.b.soon", "a.b.later"], 2)


def test_each_app_has_a_strip_of_its_newest_runs() -> None:
    app, other, silent = make_app(), make_app("a.b.other"), make_app("a.b.silent")
    runs = [make_run(app, State.SUCCEEDED) for _ in range(25)]
    only = make_run(other, State.FAILED)
    lines = {line.app: line for line in read().lines}
    assert [run.pk for run in lines[app].runs] == [run.pk for run in runs[-20:]]
    assert lines[app].last == runs[-1]
    assert lines[other].runs == [only]
    assert lines[silent].last is None


def test_apps_that_ran_lately_come_first_and_the_others_are_a_link_away() -> None:
    for number in range(25):
        make_app(f"a.b.app{number:02}")
    make_run(make_app("z.z.last"), State.SUCCEEDED)
    home = read()
    assert [line.app.code for line in home.lines][:2] == ["z.z.last", "a.b.app00"]
    assert (len(home.lines), home.app_count) == (20, 26)
    assert "All 26 apps" in signed_in("viewer").get("/admin/").text


def test_a_source_that_cannot_be_loaded_needs_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    room = next(room for room in installed_rooms() if room.room.info.code == "examples.shop.books")
    monkeypatch.setattr(room, "import_error", "SyntaxError: invalid syntax (main.py, line 3)")
    monkeypatch.setitem(tables.page_errors, "a.b.c", "NameError: name 'x' is not defined")
    page = signed_in("viewer").get("/admin/").text
    assert "It cannot be loaded: SyntaxError: invalid syntax (main.py, line 3)" in page
    assert "Its own admin page was left out: NameError" in page
    assert "every source loads" not in page


def test_the_page_costs_the_same_for_one_app_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in()
    for number in range(30):
        app = make_app(f"a.b.app{number}", is_enabled=True, interval_s=60, next_run_at=utc_now())
        for state in (State.SUCCEEDED, State.FAILED, State.RUNNING):
            make_run(app, state)
        dataset = Dataset.objects.create(label=f"a.b{number}", outcome=Outcome.BLOCK, runtime="x", judged_at=utc_now())
        put_aside(dataset)
    client.get("/admin/")
    # session, user; apps, strips (2), live, ended, due, days (3);
    # needs: disabled, failed, blocked, stale, quarantine, errors, deliveries, solvers, spending, circuits;
    # to who is new, the first steps
    with django_assert_num_queries(24):
        client.get("/admin/")
    with django_assert_num_queries(23):
        client.get("/admin/live/")


def test_parts_that_are_not_well_are_said_to_those_who_may_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part(
        name="broker", title="Broker", standing=Standing.FAILED, said="It does not answer: no.", step="Start it.",
        measured_at=utc_now(),
    )  # fmt: skip
    unknown = replace(part, title="Workers", standing=Standing.UNKNOWN)
    monkeypatch.setattr(needs, "read_system", lambda **_: System(utc_now(), (Section("Parts", (part, unknown)),)))
    assert needs_of(read()) == {"parts": ["Broker"]}
    page = signed_in("viewer").get("/admin/").text
    assert "It does not answer: no. Start it." in page
    partly = make_person(name="partly")
    grant(partly, "viewer", make_app())
    assert needs_of(read(partly)) == {}


def test_every_part_of_the_platform_is_asked_for_what_needs_somebody() -> None:
    now = utc_now()
    app = make_app("a.b.slow", is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=600)
    blocked = Dataset.objects.create(
        label="a.blocked", outcome=Outcome.BLOCK, cause="Half is missing.", runtime="x", judged_at=now
    )
    put_aside(blocked)
    put_aside(blocked, row=2)
    old = {"app": app, "outcome": Outcome.PASS, "runtime": "x", "judged_at": now}
    Dataset.objects.create(label="a.stale", good_at=now - timedelta(hours=2), **old)
    Dataset.objects.create(label="a.fresh", good_at=now - timedelta(minutes=50), **old)
    error = {"level": 40, "first_seen_at": now, "last_seen_at": now}
    ErrorGroup.objects.create(fingerprint="a" * 32, title="TimeoutError: no answer", count=12, **error)
    ErrorGroup.objects.create(fingerprint="b" * 32, title="settled", state="RESOLVED", resolved_at=now, **error)
    channel = Channel.objects.create(name="on call", service=Channel.Service.SLACK, last_error="It answered 404.")
    for age in (0, 1, 30):
        Delivery.objects.create(
            channel=channel, kind="FAILED", subject="x", state="FAILED", created_at=now - timedelta(hours=age)
        )

    assert needs_of(read()) == {
        "blocked": ["a.blocked"],
        "stale": ["a.stale"],
        "quarantine": ["a.blocked"],
        "errors": ["TimeoutError: no answer"],
        "deliveries": ["on call"],
    }
    page = signed_in("operator").get("/admin/").text
    for text in ("Half is missing.", "2 rows wait for a decision.", "12 times", "2 messages of the last day."):
        assert text in page
    assert "replay them when their rule" in page
    viewer = signed_in("viewer").get("/admin/").text
    for text in ("replay", "let the next merge through", "call it resolved", "on call"):
        assert text not in viewer


def put_aside(dataset: Dataset, *, row: int = 1) -> None:
    QuarantinedRow.objects.create(
        dataset=dataset,
        runtime="x",
        merge=1,
        row=row,
        rule="r",
        reason="",
        payload="{}",
        digest="",
        quarantined_at=utc_now(),
    )


def test_of_many_the_first_are_shown_and_the_others_are_a_link_away() -> None:
    for number in range(11):
        make_run(make_app(f"a.b.app{number}"), State.FAILED)
    need = next(need for need in read().needs if need.name == "failed")
    assert (len(need.items), need.count, need.more) == (8, 11, 3)
    page = signed_in("viewer").get("/admin/").text
    assert ">3 more</a>" in page
    assert 'href="/admin/runtime/runtime/?state=wrong"' in page


def test_what_came_since_the_last_visit_is_marked_and_a_reload_writes_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client, now = signed_in("viewer"), utc_now()
    make_run(make_app("a.b.before"), State.FAILED, ended_at=now - timedelta(hours=3))
    make_run(make_app("a.b.after"), State.FAILED, ended_at=now - timedelta(minutes=50))
    # Nothing is new to who was never here.
    assert "new since your last visit" not in client.get("/admin/").text
    person = User.objects.get(username="viewer")
    assert (person.visited_before_at, person.visited_at is not None) == (None, True)

    User.objects.update(visited_at=now - timedelta(hours=1))
    page = client.get("/admin/").text
    assert "1 new since your last visit" in page
    person.refresh_from_db()
    assert person.visited_before_at == now - timedelta(hours=1)
    assert page.index("a.b.after") < page.index("a.b.before")

    seen = person.visited_at
    assert "1 new since your last visit" in client.get("/admin/").text
    assert "1 new since your last visit" in client.get("/admin/live/").text
    person.refresh_from_db()
    assert person.visited_at == seen
    # A tab that keeps itself up to date for hours is no visit.
    User.objects.update(visited_at=now - timedelta(hours=1), visited_before_at=None)
    client.get("/admin/live/")
    assert User.objects.get(username="viewer").visited_before_at is None


def test_days_that_are_over_are_counted_once_and_drawn_with_what_is_usual() -> None:
    app, now = make_app(), utc_now()
    for age in range(12):
        for number in range(3):
            state = State.FAILED if (age, number) == (1, 0) else State.SUCCEEDED
            run = make_run(app, state, rows_inserted=100 if age != 2 else 1)
            Runtime.objects.filter(pk=run.pk).update(queued_at=now - timedelta(days=age))
    assert read().uncounted == 30
    assert count_days(now=now, budget_s=60) == 30
    # Settled days are not looked at again.
    assert count_days(now=now, budget_s=60) == 0
    Runtime.objects.filter(queued_at__lt=now - timedelta(days=1)).delete()

    home = read()
    past = dict(home.days.past)
    yesterday, few = (timezone.localdate(now) - timedelta(days=age) for age in (1, 2))
    assert past[yesterday] == Sums(3, 2, 1, 300, 0)
    assert past[few] == Sums(3, 3, 0, 3, 0)
    assert (home.uncounted, home.days.today.runs) == (0, 3)
    assert home.rows.usual == "usually 300 to 300"
    assert home.rows.chart is not None
    assert [dot.is_bad for dot in home.rows.chart.curves[0].dots][-3:] == [False, True, False]
    page = signed_in("viewer").get("/admin/").text
    assert f"{few}: 3 inserted, 0 archived" in page
    assert "Today so far: 100 % of 3 runs" in page


def test_a_day_with_an_open_run_is_counted_again_when_that_has_ended() -> None:
    app, now = make_app(), utc_now()
    run = make_run(app, State.RUNNING, started_at=now)
    Runtime.objects.filter(pk=run.pk).update(queued_at=now - timedelta(days=1))
    assert count_days(now=now, budget_s=60) == 30
    assert run.finish(State.SUCCEEDED, at=now, rows_inserted=7)
    assert count_days(now=now, budget_s=60) == 1
    assert dict(read().days.past)[timezone.localdate(now) - timedelta(days=1)] == Sums(1, 1, 0, 7, 0)


def test_who_sees_some_apps_sees_the_sums_of_these_alone() -> None:
    mine, other, now = make_app("a.b.mine"), make_app("c.d.other"), utc_now()
    for app, rows in ((mine, 5), (other, 7)):
        for age in (0, 1, 1):
            run = make_run(app, State.SUCCEEDED, rows_inserted=rows)
            Runtime.objects.filter(pk=run.pk).update(queued_at=now - timedelta(days=age))
        make_run(app, State.FAILED)
    count_days(now=now, budget_s=60)
    partly = make_person(name="partly")
    grant(partly, "viewer", mine)
    home = read(partly)
    assert needs_of(home) == {"failed": ["a.b.mine"]}
    assert dict(home.days.past)[timezone.localdate(now) - timedelta(days=1)] == Sums(2, 2, 0, 10, 0)
    assert (home.days.last_day.inserted, home.days.today.inserted) == (5, 5)


def test_the_live_part_is_a_fragment_that_nobody_keeps() -> None:
    response = signed_in("viewer").get("/admin/live/")
    assert response.status_code == 200
    assert "<html" not in response.text
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", ["/admin/", "/admin/live/", "/admin/tables/"])
def test_strangers_are_sent_to_the_login_page(client: Client, path: str) -> None:
    assert client.get(path)["Location"] == f"/admin/login/?next={path}"


def test_who_has_no_role_is_told_how_to_get_one() -> None:
    make_run(make_app(), State.RUNNING)
    client = signed_in("")
    page = client.get("/admin/").text
    assert "You have no role yet" in page
    assert "examples.shop.books" not in page
    assert client.get("/admin/live/").status_code == 403


def test_the_front_door_leads_home(client: Client) -> None:
    assert client.get("/")["Location"] == "/admin/"
