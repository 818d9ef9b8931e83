"""The pages of runs and commands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.runtime.limits import limits_of
from apps.runtime.models import Command, Runtime, State
from apps.runtime.pages import TAIL
from apps.runtime.services import issue_command
from tests.integration.factories import make_app, make_node, make_run
from tests.integration.people import messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

RUNS, COMMANDS = "/admin/runtime/runtime/", "/admin/runtime/command/"


def page_of(run: Runtime, client: Client | None = None) -> Any:
    return (client or signed_in("viewer")).get(f"{RUNS}{run.pk}/change/")


def say(run: Runtime, count: int, **values: Any) -> None:
    Log.objects.bulk_create(
        Log(
            runtime=run,
            app=run.app,
            line_number=number,
            logged_at=utc_now(),
            message=values.get("message", f"line {number} said"),
            **{key: value for key, value in values.items() if key != "message"},
        )
        for number in range(1, count + 1)
    )


def test_the_lists_cost_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client, app = signed_in(), make_app(is_enabled=True)
    for _ in range(60):
        make_run(app, State.SUCCEEDED)
        issue_command(app, Command.Verb.DISABLE, source=Command.Source.ADMIN)
    for url, tabs in ((RUNS, 1), (COMMANDS, 0)):
        client.get(url)
        with django_assert_num_queries(6 + tabs):  # session, user, kept views, count, page, apps of the filter
            assert client.get(url).status_code == 200


def test_a_huge_table_is_not_counted_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.core.admin import BoundedPaginator

    monkeypatch.setattr(BoundedPaginator, "BOUND", 60)
    app = make_app()
    for _ in range(70):
        make_run(app, State.SUCCEEDED)
    client = signed_in("viewer")
    page = client.get(RUNS).text
    assert "60" in page
    assert "and more: search or filter to reach them" in page
    assert client.get(f"{RUNS}?p=2").status_code == 200
    assert "and more" not in client.get(f"{RUNS}?state=live").text


def test_the_tabs_count_runs_by_state_and_not_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.core.tabs.MOST", 3)
    books, docs = make_app(), make_app("examples.debian.python_docs")
    for state in (State.SUCCEEDED,) * 5 + (State.FAILED, State.RUNNING):
        make_run(books, state)
    make_run(docs, State.TIMED_OUT)
    client = signed_in("viewer")

    def counts(query: str = "") -> dict[str, str]:
        tabs = client.get(RUNS + query).context["cl"].shown_tabs
        return {tab.title: f"{tab.count}{'+' * tab.is_more}" for tab in tabs if tab.count}

    assert counts() == {"Queued or live": "1", "Gone wrong": "2", "succeeded": "3+", "failed": "1"}
    assert counts(f"?app__id__exact={docs.pk}&state=SUCCEEDED") == {"Gone wrong": "1"}
    assert "3+" in client.get(RUNS).text


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of the database that has millions of runs")
def test_counting_tabs_reads_the_index_by_state() -> None:
    app = make_app()
    now = utc_now()
    rows = [
        Runtime(app=app, state=state, trigger="ADMIN", queued_at=now, ended_at=now)
        for state in [State.SUCCEEDED] * 3000 + [State.FAILED] * 10
    ]
    Runtime.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE runtime_runtime")
    plan = Runtime.objects.filter(state=State.FAILED).order_by().values("pk")[:1001].explain()
    assert "run_by_state" in plan


def test_runs_are_found_by_state_app_and_id() -> None:
    books, docs = make_app(), make_app("examples.debian.python_docs")
    good, bad = make_run(books, State.SUCCEEDED), make_run(docs, State.CRASHED, cause="Its process was killed.")
    live = make_run(books, State.RUNNING)
    client = signed_in("viewer")
    expected = {
        "?state=wrong": {bad},
        "?state=live": {live},
        "?state=SUCCEEDED": {good},
        f"?app__id__exact={docs.pk}": {bad},
        f"?q={good.pk[:8]}": {good},
        "?q=killed": {bad},
        "?app__id__exact=nonsense": set(),
    }
    for query, runs in expected.items():
        assert set(client.get(RUNS + query).context["cl"].result_list) == runs, query


def test_the_page_of_a_run_answers_what_one_asks() -> None:
    began = utc_now() - timedelta(seconds=65)
    run = make_run(
        make_app(),
        State.FAILED,
        cause="The site answered 503 too often; the run gave up.",
        started_at=began,
        ended_at=began + timedelta(seconds=61),
        args={"category": "Poetry"},
        rows_seen=1120,
        rows_inserted=7,
        rows_archived=3,
        rows_unchanged=1110,
        node="lab",
        pid=4711,
        signal=9,
        peak_memory_bytes=88_000_000,
    )
    page = page_of(run).text
    for fact in (
        *("failed", "examples.shop.books", "The site answered 503 too often; the run gave up.", "1 min 1 s", "Poetry"),
        *("1\u2009120", ">7<", ">3<", "1\u2009110", "lab", "4711", "SIGKILL", "88.0 MB"),
        f"/admin/examples_shop_books/book/?rows=all&amp;run={run.pk}",
    ):
        assert fact in page, fact


@pytest.mark.parametrize("state", State.values)
def test_every_state_has_a_sentence(state: str) -> None:
    page = page_of(make_run(make_app(), State(state)))
    assert page.context["page"].sentence.endswith(".")


def test_the_page_costs_a_fixed_number_of_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    run = make_run(make_app(), State.RUNNING)
    say(run, 500)
    client = signed_in()
    page_of(run, client)
    with django_assert_num_queries(6):  # session, user, run, log lines, commands, rows that changed
        page_of(run, client)
    with django_assert_num_queries(6):
        client.get(f"{RUNS}{run.pk}/live/")


def test_the_log_shows_its_last_lines_and_where_the_others_are() -> None:
    run = make_run(make_app(), State.RUNNING)
    say(run, TAIL + 5)
    page = page_of(run).text
    assert "line 5 said" not in page
    assert page.index("line 6 said") < page.index(f"line {TAIL + 5} said")
    assert f"/admin/runtime/runtime/{run.pk}/log/" in page


def test_a_hostile_log_line_stays_text() -> None:
    run = make_run(make_app(), State.RUNNING, cause="<b>cause</b>")
    say(run, 1, message="<script>alert(1)</script>", context_json={"<i>": "<img src=x>"}, exception="<u>boom</u>")
    page = page_of(run).text
    for markup in ("<script>alert(1)", "<i>=", "<img src=x>", "<u>boom", "<b>cause"):
        assert markup not in page


def test_the_page_asks_again_only_while_the_run_is_open() -> None:
    app = make_app()
    assert "data-live-done" not in page_of(make_run(app, State.RUNNING)).text
    ended = make_run(app, State.SUCCEEDED)
    assert "data-live-done" in page_of(ended).text
    fragment = signed_in("viewer").get(f"{RUNS}{ended.pk}/live/")
    assert "data-live-done" in fragment.text
    assert "<html" not in fragment.text
    assert "no-store" in fragment["Cache-Control"]


def test_a_run_that_is_not_there_is_not_found() -> None:
    client = signed_in("viewer")
    for path in ("change/", "live/"):
        response = client.get(f"{RUNS}nothing/{path}")
        assert response.status_code == 404
        assert "There is nothing at this address" in response.text


def test_stopping_a_waiting_run_cancels_it() -> None:
    run = make_run(make_app())
    response = signed_in("operator").post(f"{RUNS}{run.pk}/stop/", follow=True)
    assert messages_of(response) == [f"Asked run {run.pk[:8]} of examples.shop.books to stop."]
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    command = Command.objects.get()
    assert (command.issuer.username, command.verb) == ("operator", "STOP")  # type: ignore[union-attr]
    assert "operator" in page_of(run).text


def test_stopping_a_run_that_has_ended_says_so() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    response = signed_in("operator").post(f"{RUNS}{run.pk}/stop/", follow=True)
    assert messages_of(response) == ["examples.shop.books is not running."]


def test_a_viewer_sees_no_stop_button_and_is_refused() -> None:
    run = make_run(make_app())
    client = signed_in("viewer")
    assert f"{RUNS}{run.pk}/stop/" not in page_of(run, client).text
    assert f"{RUNS}{run.pk}/stop/" in page_of(run, signed_in("operator")).text
    assert client.post(f"{RUNS}{run.pk}/stop/").status_code == 403
    assert client.get(f"{RUNS}{run.pk}/stop/").status_code == 405
    run.refresh_from_db()
    assert run.state == State.QUEUED


def test_who_has_no_role_sees_no_run() -> None:
    run = make_run(make_app())
    client = signed_in("")
    for path in ("", f"{run.pk}/change/", f"{run.pk}/live/"):
        assert client.get(RUNS + path).status_code == 403


def test_a_viewer_is_offered_no_action_and_one_sent_anyway_does_nothing() -> None:
    run = make_run(make_app())
    client = signed_in("viewer")
    assert "stop_runs" not in client.get(RUNS).text
    client.post(RUNS, {"action": "stop_runs", "_selected_action": [run.pk]})
    assert not Command.objects.exists()


def test_commands_and_runs_cannot_be_written_by_hand() -> None:
    run = make_run(make_app())
    client = signed_in()
    assert client.get(f"{RUNS}add/").status_code == 404
    assert client.get(f"{COMMANDS}add/").status_code == 403
    assert client.get(f"{RUNS}{run.pk}/delete/").status_code == 403


def test_the_page_of_a_command_names_who_asked_and_what_became_of_it() -> None:
    issue_command(make_app(), Command.Verb.START, source=Command.Source.ADMIN)
    command = Command.objects.get()
    page = signed_in("viewer").get(f"{COMMANDS}{command.pk}/change/").text
    assert "examples.shop.books is disabled; enable it first." in page
    assert "not executed" in page


def test_a_run_tells_its_manager_attempt_stop_limits_and_kind_of_error() -> None:
    app = make_app(memory_limit_mb=512, time_limit_s=3600, retry_attempts=2)
    owner = make_node()
    run = make_run(
        app,
        State.STOPPING,
        owner=owner,
        attempt=2,
        is_trial=True,
        stop_stage="grace",
        limits_by="shim",
        limits=limits_of(app),
        error_category="database",
        is_blocked=True,
    )
    page = signed_in("viewer").get(f"/admin/runtime/runtime/{run.pk}/change/").text
    for text in (
        f"/admin/runtime/node/{owner.pk}/change/",
        "2 of 3, on trial",
        "has time to tidy up",
        "Time 3,600 s, Memory 512 MB (held by shim)",
        "database: a person has to repair something first",
    ):
        assert text in page


def test_commands_are_filtered_and_cost_the_same_for_one_and_for_many(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client, app = signed_in(), make_app()
    for source in (Command.Source.ADMIN, Command.Source.SHELL):
        for _ in range(15):
            issue_command(app, Command.Verb.START, source=source)
    address = "/admin/runtime/command/"
    client.get(address)
    with django_assert_num_queries(6):  # session, user, kept views, count, page, apps of the filter
        page = client.get(address)
    assert "is disabled; enable it first" in page.text
    assert page.context["cl"].result_count == 30
    wanted = {"source": "SHELL", "state": "NOT_EXECUTED", "verb": "START"}
    assert client.get(address, wanted).context["cl"].result_count == 15
    assert client.get(address, {"verb": "STOP"}).context["cl"].result_count == 0
