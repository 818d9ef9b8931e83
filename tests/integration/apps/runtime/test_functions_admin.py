"""The pages of watched functions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.core.clock import utc_now
from apps.runtime.call_tree import LINES, Tree, call_tree
from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.models import Runtime, State
from apps.runtime.templatetags.functions import ms, percent
from tests.integration.factories import make_app, make_run
from tests.integration.function_frames import frame, store
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

FUNCTIONS, LOGS = "/admin/runtime/appfunction/", "/admin/runtime/functionlog/"


def shape(tree: Tree) -> list[tuple[str, float, float | None]]:
    """The lines of a tree: indented name, milliseconds, percent."""
    return [
        (
            "  " * line.depth + line.function.qualified_name,
            round(line.total_ms, 3),
            None if line.share is None else round(100 * line.share, 1),
        )
        for line in tree.lines
    ]


# -- Slowest functions -------------------------------------------------------------------------------------------------


def test_the_slowest_functions_come_first_by_total_and_by_p95() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, frame("often", *[1.0] * 500), frame("slow", 200.0), frame("quick", 0.01))
    client = signed_in("viewer")

    def order(query: str = "") -> list[str]:
        page = client.get(FUNCTIONS + query)
        return [function.qualified_name for function in page.context["cl"].result_list]

    columns = list(client.get(FUNCTIONS).context["cl"].list_display)
    assert order() == ["often", "slow", "quick"]
    assert order(f"?o=-{columns.index('p95')}") == ["slow", "often", "quick"]
    assert order(f"?o={columns.index('total')}") == ["quick", "slow", "often"]
    text = client.get(FUNCTIONS).text
    for fact in (*("500\u00a0ms", "200\u00a0ms", "10\u00a0µs"), "examples.shop.books"):
        assert fact in text, fact


def test_functions_are_found_by_name_app_and_when_they_ran() -> None:
    books, docs = make_app(), make_app("examples.debian.python_docs")
    store(make_run(books, State.SUCCEEDED), frame("Books.collect", 1.0, at=utc_now()))
    old = utc_now() - timedelta(days=9)
    failing = frame("Docs.collect", 1.0, at=old, errors=1, last_error="ValueError: no")
    store(make_run(docs, State.SUCCEEDED), failing)
    client = signed_in("viewer")
    expected = {
        "?q=Books.co": {"Books.collect"},
        "?q=debian": {"Docs.collect"},
        "?seen=24h": {"Books.collect"},
        "?seen=7d": {"Books.collect"},
        "?seen=30d": {"Books.collect", "Docs.collect"},
        "?seen=nonsense": {"Books.collect", "Docs.collect"},
        f"?app__id__exact={docs.pk}": {"Docs.collect"},
        "?has_failed__exact=1": {"Docs.collect"},
    }
    for query, names in expected.items():
        found = client.get(FUNCTIONS + query).context["cl"].result_list
        assert {function.qualified_name for function in found} == names, query


def test_the_lists_cost_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, *(frame(f"function_{number}", 1.0, parent="main") for number in range(60)))
    client = signed_in()
    for url, count in ((FUNCTIONS, 5), (LOGS, 4)):  # session, user, count, page; apps of the filter
        client.get(url)
        with django_assert_num_queries(count):
            assert client.get(url).status_code == 200


def test_the_functions_of_a_run_are_listed_with_their_figures() -> None:
    app = make_app()
    run, other = make_run(app, State.SUCCEEDED), make_run(app, State.SUCCEEDED)
    store(run, frame("collect", 2.0, 4.0, solved=1234, failed=2))
    store(other, frame("collect", 1.0))
    client = signed_in("viewer")
    page = client.get(f"{LOGS}?q={run.pk}")
    assert [log.runtime_id for log in page.context["cl"].result_list] == [run.pk]
    assert "1\u2009234 / 2" in page.text
    assert f"{LOGS}tree/{run.pk}/" in page.text
    detail = client.get(f"{LOGS}{FunctionLog.objects.get(runtime=run).pk}/change/").text
    for fact in ("6\u00a0ms", "3\u00a0ms", f"{FUNCTIONS}{AppFunction.objects.get().pk}/change/"):
        assert fact in detail, fact


def test_the_functions_of_one_run_can_be_sorted_and_those_of_all_runs_cannot() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, frame("collect", 2.0))
    client = signed_in("viewer")
    assert "o=" not in "".join(re.findall(r'href="\?([^"]*)"', client.get(LOGS).text))
    assert "o=" in "".join(re.findall(r'href="\?([^"]*)"', client.get(f"{LOGS}?q={run.pk}").text))


# -- The page of a function --------------------------------------------------------------------------------------------


def page_of(function: AppFunction) -> Any:
    return signed_in("viewer").get(f"{FUNCTIONS}{function.pk}/change/")


def test_the_page_of_a_function_shows_its_trend_over_runs() -> None:
    app, start = make_app(), datetime(2026, 5, 1, 8, tzinfo=UTC)
    for day in range(4):
        run = make_run(app, State.SUCCEEDED)
        store(run, frame("collect", *[10.0 + day] * 19, 100.0 * (day + 1), at=start + timedelta(days=day)))
    page = page_of(AppFunction.objects.get())
    chart = page.context["page"].chart
    assert [curve.name for curve in chart.curves] == ["p50", "p95"]
    p50, p95 = chart.curves
    heights = [dot.y for dot in p50.dots]
    assert heights == sorted(heights, reverse=True)  # it rises: an SVG counts from the top
    assert all(low.x == high.x and low.y >= high.y for low, high in zip(p50.dots, p95.dots, strict=True))
    assert chart.left == p50.dots[0].x < p50.dots[1].x < p50.dots[3].x == chart.right
    assert (chart.first, chart.last) == ("2026-05-01 08:00", "2026-05-04 08:00")
    assert page.text.count("<circle") == 8
    assert page.text.count("<polyline") == 2
    assert "p50 10\u00a0ms, run " in page.text
    runs = re.findall(r"/admin/runtime/functionlog/tree/(\w+)/", page.text)
    assert runs == list(Runtime.objects.order_by("-functions__first_start_at").values_list("pk", flat=True))


def test_one_run_is_no_trend() -> None:
    store(make_run(make_app(), State.SUCCEEDED), frame("collect", 5.0))
    page = page_of(AppFunction.objects.get()).text
    assert "A trend needs two runs" in page
    assert "<circle" not in page


def test_the_figures_stay_when_the_runs_are_swept() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, frame("collect", 5.0, errors=1, last_error="ValueError: no <price>"))
    run.delete()
    page = page_of(AppFunction.objects.get()).text
    assert "Its runs have been swept" in page
    assert "ValueError: no &lt;price&gt;" in page


def test_the_page_of_a_function_costs_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    app = make_app()
    for _ in range(30):
        store(make_run(app, State.SUCCEEDED), frame("collect", 1.0, 2.0, parent="main"))
    client = signed_in()
    url = f"{FUNCTIONS}{AppFunction.objects.get(qualified_name='collect').pk}/change/"
    client.get(url)
    with django_assert_num_queries(4):  # session, user, function, its runs
        client.get(url)


# -- The call tree -----------------------------------------------------------------------------------------------------


def test_the_tree_is_indented_and_the_most_expensive_branch_comes_first() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, frame("run", 100.0), frame("parse", 30.0, parent="run"), frame("fetch", 20.0, 40.0, parent="run"))
    store(run, frame("decode", 15.0, parent="fetch"))
    tree = call_tree(run)
    assert shape(tree) == [
        ("run", 100.0, 100.0),
        ("  fetch", 60.0, 60.0),
        ("    decode", 15.0, 15.0),
        ("  parse", 30.0, 30.0),
    ]
    page = signed_in("viewer").get(f"{LOGS}tree/{run.pk}/").text
    assert re.findall(r"aria-hidden=\"true\">(\u2003*)</span>", page) == ["", "\u2003", "\u2003\u2003", "\u2003"]
    for fact in ("100\u00a0ms in watched functions", "60.0\u00a0%", "15.0\u00a0%", f'href="{FUNCTIONS}'):
        assert fact in page, fact


def test_what_a_shared_function_called_is_shared_out_among_its_callers() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, frame("pages", 80.0), frame("images", 20.0))
    store(run, frame("fetch", 60.0, parent="pages"), frame("fetch", 20.0, parent="images"))
    store(run, frame("wait", 40.0, parent="fetch"))
    assert shape(call_tree(run)) == [
        ("pages", 80.0, 80.0),
        ("  fetch", 60.0, 60.0),
        ("    wait", 30.0, 30.0),
        ("images", 20.0, 20.0),
        ("  fetch", 20.0, 20.0),
        ("    wait", 10.0, 10.0),
    ]


def test_recursion_ends() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, frame("walk", 50.0), frame("walk", 40.0, 30.0, parent="walk"))
    store(run, frame("open", 20.0, parent="walk"), frame("walk", 10.0, parent="open"))
    tree = call_tree(run)
    assert [line.function.qualified_name for line in tree.lines] == ["walk", "open", "walk"]
    assert [line.is_again for line in tree.lines] == [False, False, True]
    assert [line.own_calls for line in tree.lines] == [2, 0, 2]
    assert tree.total_ms == 50.0
    page = signed_in("viewer").get(f"{LOGS}tree/{run.pk}/").text
    assert "calls itself 2 times" in page
    assert "again, see above" in page


def test_a_call_under_way_stands_where_it_belongs() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("collect", parent="main", solved=3), frame("fetch", 10.0, 20.0, parent="collect"))
    tree = call_tree(run)
    assert shape(tree) == [("main", 30.0, 100.0), ("  collect", 30.0, 100.0), ("    fetch", 30.0, 100.0)]
    assert [line.is_under_way for line in tree.lines] == [True, True, False]
    page = signed_in("viewer").get(f"{LOGS}tree/{run.pk}/")
    assert page.text.count("under way") == 2


def test_a_huge_tree_is_cut_and_says_so() -> None:
    run, names = make_run(make_app(), State.SUCCEEDED), [f"f{number}" for number in range(8)]
    frames = [frame(name, 1.0, parent=parent) for name in names for parent in names if name != parent]
    store(run, frame("f0", 1.0), *frames)
    tree = call_tree(run)
    assert (len(tree.lines), tree.is_cut) == (LINES, True)
    page = signed_in("viewer").get(f"{LOGS}tree/{run.pk}/").text
    assert f"{LOGS}?q={run.pk}" in page


def test_functions_that_call_each_other_and_nobody_called_do_not_hang_the_page() -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, frame("a", parent="b", solved=1), frame("b", parent="a", solved=1))
    assert signed_in("viewer").get(f"{LOGS}tree/{run.pk}/").status_code == 200


def test_a_run_without_watched_functions_says_how_to_get_some() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    page = signed_in("viewer").get(f"{LOGS}tree/{run.pk}/").text
    assert "It called no watched function." in page
    assert "@fun_watch" in page


def test_the_tree_costs_a_fixed_number_of_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    run = make_run(make_app(), State.RUNNING)
    store(run, *(frame(f"function_{number}", 1.0, parent=f"function_{number // 2}") for number in range(1, 40)))
    client, url = signed_in(), f"{LOGS}tree/{run.pk}/"
    client.get(url)
    with django_assert_num_queries(5):  # session, user, run, its functions, callers that have not ended
        assert "under way" in client.get(url).text


# -- Who may see them --------------------------------------------------------------------------------------------------


def test_who_may_see_runs_may_see_their_functions_and_nobody_may_write_them() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    store(run, frame("collect", 1.0))
    function, log = AppFunction.objects.get(), FunctionLog.objects.get()
    urls = [FUNCTIONS, f"{FUNCTIONS}{function.pk}/change/", LOGS, f"{LOGS}{log.pk}/change/", f"{LOGS}tree/{run.pk}/"]
    viewer, nobody, admin = signed_in("viewer"), signed_in(""), signed_in()
    for url in urls:
        assert viewer.get(url).status_code == 200, url
        assert nobody.get(url).status_code == 403, url
    for url in (f"{LOGS}add/", f"{FUNCTIONS}{function.pk}/delete/", f"{LOGS}{log.pk}/delete/"):
        assert admin.get(url).status_code == 403, url
    assert admin.get(f"{FUNCTIONS}add/").status_code == 404
    assert admin.post(f"{LOGS}tree/{run.pk}/").status_code == 405


@pytest.mark.parametrize("path", ["appfunction/999/change/", "appfunction/x/change/", "functionlog/tree/nothing/"])
def test_what_is_not_there_is_not_found(path: str) -> None:
    response = signed_in("viewer").get(f"/admin/runtime/{path}")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.text


def test_hostile_names_stay_text() -> None:
    run = make_run(make_app(), State.SUCCEEDED)
    name = "<script>alert(1)</script>"
    store(run, frame(name, 1.0, errors=1, last_error='"><img src=x>'))
    client = signed_in("viewer")
    function = AppFunction.objects.get()
    for url in (FUNCTIONS, f"{FUNCTIONS}{function.pk}/change/", LOGS, f"{LOGS}tree/{run.pk}/"):
        page = client.get(url).text
        assert "<script>alert(1)" not in page, url
        assert "<img src=x>" not in page, url


# -- How figures are written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(None, "-"), (0, "0 µs"), (0.0008, "0.8 µs"), (0.85, "850 µs"), (0.9999, "1 ms"), (1, "1 ms")],
        *[(12.34, "12.3 ms"), (999.4, "999 ms"), (999.9, "1 s"), (1500, "1.5 s"), (9999, "10 s")],
        *[(65_000, "1 min 5 s"), (7.5e6, "2 h 5 min")],
    ],
)
def test_durations_have_three_digits(value: float | None, text: str) -> None:
    assert ms(value).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("share", "text"), [(None, "-"), (0, "0.0 %"), (0.0001, "< 0.1 %"), (0.123, "12.3 %"), (1.5, "150.0 %")]
)
def test_shares_are_percent(share: float | None, text: str) -> None:
    assert percent(share).replace("\u00a0", " ") == text
