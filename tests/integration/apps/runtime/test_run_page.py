"""What the page of a run draws and says, and two runs beside each other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.core.clock import utc_now
from apps.logs.models import Log
from apps.quality.models import Dataset, Measurement
from apps.runtime.comparing import change_text
from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.models import Runtime, State
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

RUNS = "/admin/runtime/runtime/"


def page_of(run: Runtime, role: str = "viewer") -> Any:
    return signed_in(role).get(f"{RUNS}{run.pk}/change/")


def compared(run: Runtime, role: str = "viewer", wanted: str = "") -> Any:
    return signed_in(role).get(f"{RUNS}{run.pk}/compare/?with={wanted}")


def moments(run: Runtime, **seconds: float) -> Runtime:
    """Give a run these moments, in seconds after it was queued."""
    values = {name: run.queued_at + timedelta(seconds=after) for name, after in seconds.items()}
    Runtime.objects.filter(pk=run.pk).update(**values)
    run.refresh_from_db()
    return run


def stages(run: Runtime) -> list[tuple[str, float]]:
    return [(stage.name, stage.seconds) for stage in page_of(run).context["page"].stages]


def test_a_run_is_drawn_in_its_stages() -> None:
    run = moments(
        make_run(make_app(), State.SUCCEEDED), claimed_at=2, started_at=2.5, begun_at=3, done_at=9, ended_at=10
    )
    page = page_of(run).context["page"]
    assert [(stage.name, stage.seconds) for stage in page.stages] == [
        *(("Queued", 2.0), ("Starting", 1.0), ("Running", 6.0), ("Finishing", 1.0)),
    ]
    assert [(stage.x, stage.width) for stage in page.stages] == [(0, 200), (200, 100), (300, 600), (900, 100)]


def test_a_run_that_goes_on_with_the_list_of_another_says_how_much_was_left() -> None:
    app = make_app()
    earlier = make_run(app, State.CRASHED)
    page = page_of(make_run(app, State.RUNNING, continues=earlier.pk, queue_size=900, queue_left=340))
    assert f'{earlier.pk}/change/">run {earlier.pk[:8]}</a>, 340 of 900 items left' in page.content.decode()


def test_what_was_not_written_down_is_not_drawn() -> None:
    app = make_app()
    assert stages(moments(make_run(app, State.SUCCEEDED), started_at=4, ended_at=6)) == [("Queued", 4), ("Running", 2)]
    assert stages(moments(make_run(app, State.CANCELLED), ended_at=5)) == [("Queued", 5)]
    ((name, seconds),) = stages(make_run(app))
    assert name == "Queued"
    assert seconds >= 0


def test_a_machine_whose_clock_is_wrong_draws_no_stage_outside_of_the_run() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    moments(run, claimed_at=1, started_at=2, begun_at=-7200, done_at=7200, ended_at=10)
    assert stages(run) == [("Queued", 1), ("Starting", 0), ("Running", 9), ("Finishing", 0)]


def test_all_tries_of_a_run_are_drawn_on_one_axis() -> None:
    app = make_app()
    first = moments(make_run(app, State.FAILED), started_at=0, ended_at=10)
    make_run(make_app("a.b.other"), State.FAILED, trigger=Runtime.Trigger.RETRY, attempt=2)
    second = make_run(app, State.FAILED, trigger=Runtime.Trigger.RETRY, attempt=2)
    third = make_run(app, State.QUEUED, trigger=Runtime.Trigger.RETRY, attempt=3)
    unrelated = make_run(app, State.SUCCEEDED)

    def queue(run: Runtime, at: datetime, **seconds: float) -> None:
        Runtime.objects.filter(pk=run.pk).update(queued_at=at)
        run.refresh_from_db()
        moments(run, **seconds)

    assert first.ended_at is not None
    queue(second, first.ended_at, not_before=20, started_at=21, ended_at=30)
    assert second.ended_at is not None
    queue(third, second.ended_at, not_before=20)
    queue(unrelated, second.ended_at + timedelta(seconds=1), started_at=1, ended_at=2)
    for run in (first, second, third):
        tries = page_of(run).context["page"].tries
        assert [one.run.pk for one in tries] == [first.pk, second.pk, third.pk]
        assert [one.run.pk for one in tries if one.is_this] == [run.pk]
    assert [stage.key for stage in tries[1].stages] == ["pause", "wait", "work"]
    assert page_of(unrelated).context["page"].tries == []


def test_the_cause_leads_to_the_line_that_tells_it() -> None:
    run = make_run(make_app(), State.FAILED, cause="No such host.")
    levels = (Log.Level.INFO, Log.Level.ERROR, Log.Level.INFO)
    Log.objects.bulk_create(
        Log(runtime=run, app=run.app, line_number=number, logged_at=utc_now(), message="said", level=level)
        for number, level in enumerate(levels, 1)
    )
    assert f"{RUNS}{run.pk}/log/#L2" in page_of(run).text
    Log.objects.filter(level=Log.Level.ERROR).delete()
    assert "See it in the log" not in page_of(run).text
    Runtime.objects.update(log_counts={"ERROR": 1})  # somewhere before the lines that the page shows
    assert f"{RUNS}{run.pk}/log/?levels=40,50" in page_of(run).text


def test_requests_are_told_by_status_and_host() -> None:
    host = {"count": 40, "failed": 3, "statuses": {}, "mean_ms": 9.0, "p50_ms": 8.0, "p95_ms": 21.0, "waited_s": 75.0}
    summary = {
        "count": 50,
        "failed": 3,
        "codes": {"200": 45, "503": 3},
        "statuses": {"2xx": 45, "no answer": 2},
        "hosts": {"books.example": host, **{f"h{n}": {**host, "count": 1} for n in range(10)}},
    }
    run = make_run(make_app(), State.SUCCEEDED, http_summary=summary, request_count=50)
    page = page_of(run)
    assert [(line.name, line.count) for line in page.context["page"].http.statuses] == [
        *(("200", 45), ("503", 3), ("no answer", 2)),
    ]
    assert "books.example" in page.text
    assert "1 min 15 s" in page.text
    assert "and 1 more host" in page.text
    assert page_of(make_run(run.app, State.SUCCEEDED)).context["page"].http is None


def test_what_the_reader_may_not_see_is_not_on_the_page() -> None:
    run = make_run(make_app(), State.SUCCEEDED, rows_inserted=5)
    dataset = Dataset.objects.create(label="a.b", app=run.app, outcome="pass", runtime=run.pk, judged_at=utc_now())
    Measurement.objects.create(dataset=dataset, runtime=run.pk, merge=1, at=utc_now(), outcome="pass", changed=3)
    link = f"/admin/examples_shop_books/book/?rows=all&amp;run={run.pk}"
    page = page_of(run).text
    assert link in page
    assert "3 of them changed" in page
    person = make_person(name="clerk")
    person.user_permissions.add(permission("view_runtime"))
    page = page_of(run, "clerk").text
    assert link not in page
    assert "tables here that you may open" in page
    assert "Open log" not in page


def permission(codename: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.get(codename=codename)


def test_a_run_is_compared_with_the_one_before_it_or_with_any_other(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    app = make_app()
    oldest = moments(make_run(app, State.SUCCEEDED, rows_seen=7), started_at=0, ended_at=5)
    before = make_run(app, State.SUCCEEDED, rows_seen=100, args={"page": 1}, code_version="a" * 64)
    make_run(app, State.SKIPPED)
    run = make_run(app, State.FAILED, rows_seen=40, args={"page": 2}, code_version="b" * 64, log_counts={"ERROR": 2})
    moments(before, started_at=0, ended_at=10)
    moments(run, started_at=0, ended_at=40)
    for name, spent in (("Books.collect", 900.0), ("parse_book", 30.0)):
        function = AppFunction.objects.create(
            app=app, identity=name, qualified_name=name, module="m", first_seen_at=utc_now(), last_seen_at=utc_now()
        )
        for one, factor in ((before, 1), (run, 3)):
            FunctionLog.objects.create(
                function=function, runtime=one, total_ms=spent * factor, first_start_at=utc_now()
            )
    Log.objects.bulk_create(
        Log(
            runtime=run,
            line_number=n,
            logged_at=utc_now(),
            message="run.failed",
            level=40,
            fingerprint="f",
            exception="Traceback\nOSError: no such host",
        )
        for n in (1, 2)
    )
    client = signed_in("viewer")
    client.get(f"{RUNS}{run.pk}/compare/")
    with django_assert_max_num_queries(9):
        page = client.get(f"{RUNS}{run.pk}/compare/").context["page"]
    assert page.other == before
    assert [one.pk for one in page.choices] == [before.pk, oldest.pk]
    lines = {line.name: (line.other, line.this, line.change) for section in page.sections for line in section.lines}
    assert lines["Took"] == ("10 s", "40 s", "4.0 \u00d7")
    assert lines["Rows seen"] == ("100", "40", "\u221260 %")
    assert lines["page"] == ("1", "2", "different")
    assert lines["Version"] == ("a" * 12, "b" * 12, "different")
    assert lines["run.failed: OSError: no such host"] == ("0", "2", "new")
    assert lines["Books.collect"] == ("900\u00a0ms", "2.7\u00a0s", "3.0 \u00d7")
    assert lines["Inserted"] == ("0", "0", "")
    assert compared(run, wanted=oldest.pk[:8]).context["page"].other == oldest


def test_a_run_of_another_app_is_not_compared() -> None:
    run, stranger = make_run(make_app(), State.SUCCEEDED), make_run(make_app("a.b.c"), State.SUCCEEDED)
    assert "There is no run before it" in compared(run).text
    assert "No other run of this app begins with" in compared(run, wanted=stranger.pk).text
    person = make_person(name="neighbour")
    grant(person, "viewer", stranger.app)
    assert compared(run, "neighbour").status_code in (403, 404)
    assert compared(stranger, "neighbour").status_code == 200


@pytest.mark.parametrize(
    ("this", "that", "text"),
    [
        *((10, 10, ""), (10.5, 10, ""), (None, 3, ""), (3, 0, "from none"), (0, 3, "\u2212100 %")),
        *((12, 10, "+20 %"), (120, 10, "12.0 \u00d7"), (29, 10, "+190 %")),
    ],
)
def test_only_what_changed_notably_gets_a_word(this: float | None, that: float, text: str) -> None:
    assert change_text(this, that) == text
