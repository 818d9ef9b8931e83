"""The home page."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.console import tables
from apps.console.selectors import HomePage, home_page
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import State
from collectors.discovery import installed_rooms
from tests.integration.factories import make_app, make_run
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")


def read() -> HomePage:
    return home_page(now=utc_now(), asker=User(is_superuser=True))


def test_an_empty_platform_says_the_next_step() -> None:
    page = signed_in("viewer").get("/admin/").text
    assert "No app is registered." in page
    assert "manage.py startcollector" in page
    assert "Nothing: no app's last run went wrong, and every source loads." in page


def test_it_says_when_it_was_read_and_where_to_read_it_again() -> None:
    client, before = signed_in("viewer"), utc_now()
    page = client.get("/admin/").text
    assert 'data-live-url="/admin/live/"' in page
    measured = re.search(r'As of <time datetime="([^"]+)"', page)
    assert measured is not None
    assert before <= datetime.fromisoformat(measured[1]) <= utc_now()


def test_an_app_needs_somebody_when_its_last_telling_run_went_wrong() -> None:
    broken, mended, skipped = make_app(is_enabled=True), make_app("a.b.mended"), make_app("a.b.skipped")
    wrong = make_run(broken, State.FAILED, cause="The site is closed.")
    make_run(mended, State.FAILED)
    make_run(mended, State.SUCCEEDED)
    crashed = make_run(skipped, State.CRASHED)
    make_run(skipped, State.SKIPPED)
    assert {run.pk for run in read().failures} == {wrong.pk, crashed.pk}
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
    home = read()
    assert {app.code for app in home.disabled} == {off.code, clock.code}
    assert (home.failures, home.needs_somebody) == ([], True)
    page = signed_in("viewer").get("/admin/").text
    for text in ("disabled by the platform", off.fatal_reason, clock.fatal_reason):
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
    day = read().day
    assert (day.runs, day.succeeded, day.wrong, day.inserted, day.archived) == (2, 1, 1, 6, 2)
    assert day.success_percent == 50


def test_without_runs_there_is_no_rate_of_success() -> None:
    assert read().day.success_percent is None


def test_the_next_runs_are_those_of_enabled_apps_soonest_first() -> None:
    now = utc_now()
    make_app("a.b.later", is_enabled=True, interval_s=60, next_run_at=now + timedelta(hours=2))
    make_app("a.b.soon", is_enabled=True, interval_s=60, next_run_at=now + timedelta(minutes=2))
    make_app("a.b.off", interval_s=60, next_run_at=now)
    make_app("a.b.manual", is_enabled=True)
    assert [app.code for app in read().due] == ["a.b.soon", "a.b.later"]


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
    assert "cannot be loaded, so it does not run: SyntaxError: invalid syntax (main.py, line 3)" in page
    assert "its own admin page was left out: NameError" in page
    assert "every source loads" not in page


def test_the_page_costs_the_same_for_one_app_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in()
    for number in range(30):
        app = make_app(f"a.b.app{number}", is_enabled=True, interval_s=60, next_run_at=utc_now())
        for state in (State.SUCCEEDED, State.FAILED, State.RUNNING):
            make_run(app, state)
    client.get("/admin/")
    # session, user; apps and their number, strips (2), day, failures, live, ended, due
    with django_assert_num_queries(11):
        client.get("/admin/")
    with django_assert_num_queries(11):
        client.get("/admin/live/")


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
