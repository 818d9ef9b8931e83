"""The pages of lines, sinks and retention."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.core.clock import utc_now
from apps.logs.indexing import LINES, index_chunks
from apps.logs.models import JournalFile, Log, SinkCursor
from apps.logs.retention_models import SweptTable
from apps.runtime.models import State
from tests.integration.factories import make_app, make_run
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

LOGS = "/admin/logs/log/"


def line(message: str, level: Log.Level = Log.Level.INFO, *, hours_old: float = 0, **values: Any) -> Log:
    logged_at = utc_now() - timedelta(hours=hours_old)
    return Log.objects.create(message=message, level=level, logged_at=logged_at, **values)


def found(query: str) -> list[str]:
    response = signed_in("viewer").get(LOGS, {"q": query})
    assert response.context["problem"] == ""
    return [entry.message for entry, _text, _url in response.context["lines"]]


def test_the_search_costs_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    run = make_run(make_app(), State.RUNNING)
    for number in range(60):
        line(f"line {number}", runtime=run, app=run.app, line_number=number + 1)
    client = signed_in()
    client.get(LOGS)
    # session, user, end of the index, newest lines, chunks twice (there are none), the lines with their apps
    with django_assert_num_queries(7):
        assert "line 59" in client.get(LOGS).text


def test_lines_are_found_by_level_time_app_run_and_words() -> None:
    run = make_run(make_app(), State.RUNNING)
    line("old.trouble", Log.Level.ERROR, hours_old=30)
    line("page.fetched", runtime=run, app=run.app, line_number=1)
    line("page.odd", Log.Level.WARNING, hours_old=3, context_json={"status": 503})
    assert found("level:warning") == ["page.odd", "old.trouble"]
    assert found("since:1h") == ["page.fetched"]
    assert found("since:24h page") == ["page.odd", "page.fetched"]
    assert found(f"app:{run.app.code}") == ["page.fetched"]
    assert found(run.pk) == ["page.fetched"]
    assert found("TROUBLE") == ["old.trouble"]
    assert found("status=503") == ["page.odd"]
    assert len(found("")) == 3


def test_a_line_leads_to_its_place_in_the_log_of_its_run() -> None:
    run = make_run(make_app(), State.RUNNING)
    line("of a run", runtime=run, app=run.app, line_number=17)
    ours = line("of the platform")
    page = signed_in("viewer").get(LOGS).text

    assert f"/admin/runtime/runtime/{run.pk}/log/#L17" in page
    assert f"{LOGS}{ours.pk}/change/" in page


def test_what_lines_say_is_text_and_never_markup() -> None:
    line("<script>alert(1)</script>", context_json={"<i>": "<b>"}, exception="Trace\n<u>Boom</u>")
    page = signed_in("viewer").get(LOGS, {"q": "<script>"}).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &lt;i&gt;=&lt;b&gt; | &lt;u&gt;Boom&lt;/u&gt;" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('"open', "A quote is opened and not closed"),
        ("level:loud", "level:loud is none; use debug, info, warning, error or critical."),
        ("since:yesterday", "yesterday is no time"),
        ("levle:error", "Did you mean level:?"),
    ],
)
def test_a_search_that_cannot_be_read_is_answered_in_a_sentence(query: str, said: str) -> None:
    line("something")
    response = signed_in("viewer").get(LOGS, {"q": query})

    assert response.status_code == 200
    assert said in response.context["problem"]
    assert 'role="alert"' in response.text
    assert "something" not in response.text


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 40, "\x00"])
def test_a_nonsensical_page_begins_at_the_newest_line(before: str) -> None:
    line("newest\x01")

    assert signed_in("viewer").get(LOGS, {"q": "newest\x00", "before": before}).context["lines"]


def test_older_lines_are_a_page_away_and_a_search_that_takes_long_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    Log.objects.bulk_create([Log(message=f"line {n}", logged_at=utc_now()) for n in range(3 * LINES)])
    index_chunks(30)
    client = signed_in("viewer")
    first = client.get(LOGS, {"q": "line"})
    assert "Older lines" in first.text
    second = client.get(LOGS, {"q": "line", "before": first.context["page"].next_cursor})
    assert first.context["lines"][-1][0].pk == second.context["lines"][0][0].pk + 1

    monkeypatch.setattr("apps.logs.admin.BUDGET_S", 0)
    slow = client.get(LOGS, {"q": "nowhere to be found in"})
    assert slow.context["page"].is_complete  # the index knows without looking
    slow = client.get(LOGS, {"q": "zz"})
    assert "No line matches so far." in slow.text
    assert "Search further back" in slow.text
    assert "searched back to" in slow.text


def test_a_line_has_a_page() -> None:
    run = make_run(make_app(), State.RUNNING)
    entry = line(
        "page.failed",
        Log.Level.ERROR,
        runtime=run,
        app=run.app,
        line_number=1,
        context_json={"status": 503},
        exception="Boom",
    )
    client = signed_in("viewer")
    assert "page.failed status=503 | Boom" in client.get(LOGS).text
    page = client.get(f"{LOGS}{entry.pk}/change/").text
    assert "Boom" in page
    assert f"/admin/runtime/runtime/{run.pk}/log/#L1" in page


def test_lines_are_not_written_or_deleted_by_hand() -> None:
    entry = line("said")
    client = signed_in()
    assert client.get(f"{LOGS}add/").status_code == 403
    assert client.post(f"{LOGS}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{LOGS}{entry.pk}/change/", {"message": "x"}).status_code == 403


def test_who_may_not_see_lines_may_not_search_them() -> None:
    assert signed_in("").get(LOGS).status_code == 403


def test_a_sink_that_refuses_says_so_on_its_page() -> None:
    journal = JournalFile.objects.create(id="a" * 32, role="web", node="n", path="p/a.journal", created_at=utc_now())
    SinkCursor.objects.create(journal=journal, sink="splunk", failures=3, last_error="Splunk does not know the token")
    client = signed_in()

    assert "Splunk does not know the token" in client.get("/admin/logs/sinkcursor/").text
    assert "Splunk does not know the token" in client.get(f"/admin/logs/journalfile/{journal.pk}/change/").text


def test_the_page_of_retention_shows_what_each_table_costs_and_what_goes_next() -> None:
    now = utc_now()
    values = {"rule": "90 days", "bytes": 5_500_000_000, "due_at": now, "swept_at": now}
    SweptTable.objects.create(name="lines", row_count=10_000_000, due_count=123_456, deleted_count=7, **values)
    page = signed_in("viewer").get("/admin/logs/swepttable/").text

    for text in ("lines", "90 days", "10\u2009000\u2009000", "5.5 GB", "123\u2009456"):
        assert text in page
    assert signed_in("").get("/admin/logs/swepttable/").status_code == 403
