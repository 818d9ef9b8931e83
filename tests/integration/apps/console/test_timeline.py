"""The timeline."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import QueryDict
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.console.timeline.lanes import Lane, Timeline, Wanted, read_timeline
from apps.console.timeline.span import Span, read_span
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import Runtime, State
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

MINUTE = timedelta(minutes=1)


def read(query: str = "", *, now: datetime | None = None, asker: User | None = None, **wanted: Any) -> Timeline:
    now = now or utc_now()
    span, _problem = read_span(QueryDict(query), now=now)
    return read_timeline(span, Wanted(**wanted), asker=asker or User(is_superuser=True), now=now)


def ran(app: App, minutes_ago: float, *, waited: float = 0, took: float = 1, state: State = State.SUCCEEDED) -> Runtime:
    """A run that was queued so long ago, in minutes."""
    queued_at = utc_now() - minutes_ago * MINUTE
    started_at = queued_at + waited * MINUTE
    run = make_run(app, state, started_at=started_at, ended_at=started_at + took * MINUTE)
    Runtime.objects.filter(pk=run.pk).update(queued_at=queued_at)
    return run


def lane_of(timeline: Timeline) -> Lane:
    (lane,) = timeline.lanes
    return lane


def test_a_run_is_drawn_with_its_wait_and_leads_to_its_page() -> None:
    app = make_app()
    run = ran(app, 180, waited=15, took=30, state=State.FAILED)
    page = signed_in("viewer").get("/admin/timeline/").text

    link = re.search(rf'<a href="/admin/runtime/runtime/{run.pk}/change/" tabindex="-1">(.*?)</a>', page)
    assert link is not None
    assert re.search(r"<title>failed, queued [-\d :]+, waited 15 min, ran 30 min</title>", link[1])
    wait, bar = re.findall(r'class="([^"]+)" x="([\d.]+)%" y="\d+" width="([\d.]+)%" height="(\d+)"', link[1])
    assert (wait[0], bar[0], bar[3]) == ("dc-tl-wait", "dc-tl-run dc-tl-danger", "18")
    # Six hours and three quarters: an hour is 14.8 %.
    assert float(wait[1]) == pytest.approx(100 * 180 / 405, abs=0.5)
    assert float(wait[2]) == pytest.approx(100 * 15 / 405, abs=0.1)
    assert float(bar[2]) == pytest.approx(100 * 30 / 405, abs=0.1)
    assert "dc-tl-now" in page
    # The picture is for eyes: the table says the same.
    assert 'aria-hidden="true"' in page
    assert f'<a class="dc-link" href="/admin/runtime/runtime/{run.pk}/change/">{run.pk[:8]}</a>' in page


def test_the_range_is_in_the_address_and_so_survives_a_reload() -> None:
    now = utc_now()
    assert read("range=7d", now=now).span.begin == now - timedelta(days=7)
    chosen = read("from=2026-03-01T10:00&to=2026-03-01T12:00:30Z").span
    assert (f"{chosen.begin:%H:%M}", f"{chosen.end:%H:%M:%S}", chosen.name) == ("10:00", "12:00:30", "")
    page = signed_in("viewer").get("/admin/timeline/?from=2026-03-01T10:00&to=2026-03-01T12:00&q=a&state=wrong").text
    assert 'value="2026-03-01T10:00:00"' in page
    assert 'data-live-url="/admin/timeline/live/?q=a&amp;state=wrong&amp;from=2026-03-01T10%3A00%3A00' in page
    # Half as long around the same middle.
    assert (
        'data-key="+" href="?q=a&amp;state=wrong&amp;from=2026-03-01T10%3A30%3A00&amp;to=2026-03-01T11%3A30%3A00"'
        in page
    )


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("from=yesterday", "moments such as"),
        ("from=2026-03-01T10:00&to=2026-03-01T09:00", "at least a minute"),
        ("from=2026-01-01T10:00&to=2026-03-01T09:00", "31 days"),
        ("from=0001-01-01T00:00&to=2026-03-01T09:00", "moments such as"),
        ("from=2026-02-30T00:00", "moments such as"),
    ],
)
def test_a_range_that_is_none_is_said_and_the_usual_one_is_shown(query: str, problem: str) -> None:
    response = signed_in("viewer").get(f"/admin/timeline/?{query}")
    assert response.status_code == 200
    assert problem in response.text
    assert 'aria-current="true">6h</a>' in response.text


@pytest.mark.parametrize("query", ["page=99999", "page=x", "range=x", "state=x", "group=%00", "q=%00", "page=-1"])
def test_whatever_stands_in_the_address_is_no_error(query: str) -> None:
    make_app()
    assert signed_in("viewer").get(f"/admin/timeline/?{query}").status_code == 200


def test_runs_at_the_same_time_lie_below_each_other() -> None:
    app = make_app(max_parallel=3)
    ran(app, 100, took=60)
    ran(app, 90, took=60)
    ran(app, 20, took=5)
    lane = lane_of(read())
    assert [bar.row for bar in lane.bars] == [0, 1, 0]
    assert lane.row_count == 2


def test_what_began_before_the_range_and_reaches_into_it_is_drawn() -> None:
    app = make_app()
    ran(app, 3000, took=2900)
    ran(app, 3000, took=10)
    live = make_run(app, State.RUNNING, started_at=utc_now() - timedelta(days=9))
    Runtime.objects.filter(pk=live.pk).update(queued_at=utc_now() - timedelta(days=9))
    lane = lane_of(read())
    assert [bar.state for bar in lane.bars] == [State.RUNNING, State.SUCCEEDED]
    assert "dc-tl-open" in signed_in("viewer").get("/admin/timeline/").text


def test_too_many_runs_are_counted_by_slices_and_that_is_said() -> None:
    app = make_app()
    for number in range(200):
        ran(app, 10 + number, state=State.FAILED if number == 7 else State.SUCCEEDED)
    lane = lane_of(read())
    assert (lane.bars, lane.count, lane.wrong) == ([], 200, 1)
    assert 60 <= len(lane.slices) <= 120
    assert all(piece.begin <= piece.end for piece in lane.slices)
    page = signed_in("viewer").get("/admin/timeline/").text
    assert "200 runs, folded" in page
    assert "counted by slices" in page
    assert re.search(
        r'went wrong</title>(<rect class="dc-tl-run dc-tl-success" [^>]+></rect>)?<rect class="dc-tl-run', page
    )
    # A slice leads to its own part of the range, where each run is drawn.
    some = next(piece for piece in lane.slices if piece.wrong)
    near = read_timeline(Span(some.begin, some.end), Wanted(), asker=User(is_superuser=True), now=utc_now())
    assert lane_of(near).slices == []
    assert sum(some.begin <= bar.queued_at < some.end for bar in lane_of(near).bars) == some.count


def test_what_is_due_is_outlined_after_now() -> None:
    now = utc_now()
    make_app(
        is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=600, next_run_at=now + 5 * MINUTE,
        next_due_at=now + 5 * MINUTE,
    )  # fmt: skip
    lane = lane_of(read(now=now))
    assert [round((moment - now) / MINUTE) for moment in lane.planned] == [5, 15, 25, 35]
    assert signed_in("viewer").get("/admin/timeline/").text.count('<rect class="dc-tl-plan" x="') >= 4


def test_lanes_are_chosen_by_text_group_and_state_and_idle_apps_are_left_out() -> None:
    quiet, good, bad = make_app("a.b.quiet"), make_app("a.b.good"), make_app("c.d.bad")
    ran(good, 5)
    ran(bad, 5)
    ran(bad, 9, state=State.TIMED_OUT)

    def codes(**wanted: Any) -> list[str]:
        return [lane.app.code for lane in read(**wanted).lanes]

    assert codes() == [good.code, bad.code]
    assert codes(with_idle=True) == [good.code, quiet.code, bad.code]
    assert codes(text="GOOD") == [good.code]
    assert codes(group="c") == [bad.code]
    assert codes(state="wrong") == [bad.code]
    assert [bar.state for bar in read(state="wrong").lanes[0].bars] == [State.TIMED_OUT]
    assert "show apps without runs as well" in signed_in("viewer").get("/admin/timeline/?q=nothing").text


def test_lanes_come_by_pages_and_cost_the_same_however_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in()
    for number in range(25):
        app = make_app(f"a.b.app{number:02}")
        for age in (1, 30, 400):
            ran(app, age)
    first, second = read(), read(page=2)
    assert ([len(first.lanes), len(second.lanes)], first.lane_count, first.pages) == ([20, 5], 25, 2)
    client.get("/admin/timeline/")
    # session, user; lanes, counts, reaching in (2), bars
    with django_assert_num_queries(7):
        client.get("/admin/timeline/live/")
    for lane in first.lanes[:3]:
        for number in range(160):
            ran(lane.app, 2 + number)
    with django_assert_num_queries(8):
        page = client.get("/admin/timeline/live/").text
    assert "page 1 of 2" in page
    assert "<html" not in page


def test_who_sees_some_apps_sees_their_lanes_alone() -> None:
    mine, other = make_app("a.b.mine"), make_app("c.d.other")
    ran(mine, 5)
    ran(other, 5)
    partly = make_person(name="partly")
    grant(partly, "viewer", mine)
    assert [lane.app for lane in read(asker=partly).lanes] == [mine]
    guest = signed_in("")
    assert [guest.get(path).status_code for path in ("/admin/timeline/", "/admin/timeline/live/")] == [403, 403]
