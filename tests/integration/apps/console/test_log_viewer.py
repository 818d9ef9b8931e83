"""The page of a run's log, and what its scripts ask."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from apps.console.log_viewer import scanning, tally, views
from apps.console.log_viewer.matcher import Matcher
from apps.logs.models import Log
from apps.runtime.models import Runtime, State
from tests.integration.factories import make_app, make_run
from tests.integration.log_lines import say
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

QUESTIONS = ["", "lines/", "line/?n=1", "matches/?q=x", "counts/", "locate/", "download/"]
LEVELS = {0: 20, 1: 10, 2: 30, 3: 40}


@pytest.fixture
def run() -> Runtime:
    return make_run(make_app(), State.RUNNING)


@pytest.fixture
def viewer(transactional_db: None) -> Client:
    return signed_in("viewer")


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a search finds is asked, and not how far it comes in its time: the machine may be busy."""
    monkeypatch.setattr(views, "find_lines", partial(scanning.find_lines, budget_s=30.0))


def url(run: Runtime, question: str = "") -> str:
    return f"/admin/runtime/runtime/{run.pk}/log/{question}"


def ask(client: Client, run: Runtime, question: str, **query: Any) -> Any:
    response = client.get(f"{url(run, question)}?{urlencode(query, doseq=True)}")
    assert response.status_code == 200, response.content
    return response.json()


def refusal(client: Client, run: Runtime, question: str, **query: Any) -> str:
    response = client.get(f"{url(run, question)}?{urlencode(query, doseq=True)}")
    assert response.status_code == 400
    error: str = response.json()["error"]
    return error


def downloaded(client: Client, run: Runtime, **query: Any) -> str:
    response: Any = client.get(f"{url(run, 'download/')}?{urlencode(query, doseq=True)}")
    return b"".join(response.streaming_content).decode()


def say_many(run: Runtime, count: int = 100) -> None:
    """Line n has the level of n % 4, every fifth a status, every tenth another logger."""
    say(
        run,
        1,
        count,
        level=lambda n: LEVELS[n % 4],
        logger=lambda n: "http" if n % 10 == 0 else "collector",
        context_json=lambda n: {"shop": "north", "status": 404 if n % 10 == 0 else 200} if n % 5 == 0 else {},
        exception=lambda n: "Traceback\nValueError: no price" if n % 4 == 3 else "",
    )


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_address_asks_for_the_permission(run: Runtime, question: str) -> None:
    assert Client().get(url(run, question)).status_code == 302
    assert signed_in("").get(url(run, question)).status_code == 403


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_is_changed_by_asking(run: Runtime, viewer: Client, question: str) -> None:
    assert viewer.post(url(run, question)).status_code == 405


def test_a_run_that_is_gone_is_not_found(viewer: Client) -> None:
    assert viewer.get("/admin/runtime/runtime/none/log/").status_code == 404


def test_the_page_knows_where_the_log_begins_and_ends(run: Runtime, viewer: Client) -> None:
    say(run, 6, 9)
    page = viewer.get(url(run)).content.decode()
    assert reverse("admin:run_log_page", args=[run.pk]) == url(run)
    assert 'data-first="6" data-head="9"' in page
    assert "<script>" not in page.partition("data-log-viewer")[2].partition("</main>")[0]


def test_lines_come_by_range_by_number_and_behind_a_cursor(run: Runtime, viewer: Client) -> None:
    say(run, 1, 700)
    got = ask(viewer, run, "lines/", **{"from": 5, "to": 7})
    assert [line["n"] for line in got["lines"]] == [5, 6, 7]
    assert (got["first"], got["head"], got["run"]["state"]) == (1, 700, "RUNNING")
    assert [line["n"] for line in ask(viewer, run, "lines/", numbers="9,3,900")["lines"]] == [3, 9]
    assert [line["n"] for line in ask(viewer, run, "lines/", after=698)["lines"]] == [699, 700]
    assert len(ask(viewer, run, "lines/", after=0)["lines"]) == 500


def test_a_long_line_is_cut_and_can_be_had_whole(run: Runtime, viewer: Client) -> None:
    say(run, 1, 300, message="x" * 20_000)
    got = ask(viewer, run, "lines/", **{"from": 1, "to": 300})
    assert got["lines"][0]["cut"] is True
    assert len(json.dumps(got)) < 700_000
    assert len(ask(viewer, run, "line/", n=1)["text"]) == 20_000
    assert viewer.get(url(run, "line/?n=301")).status_code == 404


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"levels": "40"}, list(range(3, 101, 4))),
        ({"levels": "10,40"}, [n for n in range(1, 101) if n % 4 in (1, 3)]),
        ({"logger": "http"}, list(range(10, 101, 10))),
        ({"logger": ["http", "collector"], "levels": "30"}, list(range(2, 101, 4))),
        ({"field": "status=404"}, list(range(10, 101, 10))),
        ({"field": ['shop="north"', "status=200"]}, list(range(5, 101, 10))),
        ({"field": 'status="404"'}, []),
        ({"q": "LINE 10 SAID"}, [10]),
        ({"q": "value"}, list(range(3, 101, 4))),
        ({"q": "north", "levels": "40"}, [15, 35, 55, 75, 95]),
        ({"q": "status=404"}, list(range(10, 101, 10))),
        ({"q": "shop=nor"}, list(range(5, 101, 5))),
        ({"q": "100%"}, []),
        ({"q": r"line (7|8)\d said$", "regex": 1}, list(range(70, 90))),
        ({"q": r"\m(line)", "regex": 0}, []),
        ({"levels": "40", "down": 1}, list(range(3, 101, 4))),
        ({"levels": "40", "from": 10, "to": 20}, [11, 15, 19]),
    ],
)
def test_it_finds_lines(run: Runtime, viewer: Client, query: dict[str, Any], expected: list[int]) -> None:
    say_many(run)
    assert ask(viewer, run, "matches/", **query) == {"numbers": expected, "left": None, "head": 100}


@pytest.mark.usefixtures("unhurried")
def test_a_field_may_have_any_name_and_a_huge_number(run: Runtime, viewer: Client) -> None:
    names = ["1", "a.b", "x__y", "with space", "$"]
    say(run, 1, 1, context_json=dict.fromkeys(names, 2**60) | {"yes": True, "none": None})
    for name in names:
        assert ask(viewer, run, "matches/", field=f'{name}="{2**60}"')["numbers"] == [1], name
    assert ask(viewer, run, "matches/", field="yes=true")["numbers"] == [1]
    assert ask(viewer, run, "matches/", field="none=null")["numbers"] == [1]
    assert ask(viewer, run, "matches/", field="missing=null")["numbers"] == []


@pytest.mark.parametrize("down", [0, 1])
def test_a_search_that_is_out_of_time_says_what_is_left(
    run: Runtime, viewer: Client, monkeypatch: pytest.MonkeyPatch, down: int
) -> None:
    say_many(run)
    monkeypatch.setattr(scanning, "FIRST_STRETCH", 7)
    monkeypatch.setattr(scanning, "SHORTEST_STRETCH", 7)
    monkeypatch.setattr(scanning, "LONGEST_STRETCH", 7)
    slow = scanning._Search.numbers

    def numbers(self: Any, here: Any, limit: int, seconds: float) -> list[int]:
        time.sleep(0.15)
        return slow(self, here, limit, seconds)

    monkeypatch.setattr(scanning._Search, "numbers", numbers)
    found, left, asked = [], [1, 100], 0
    while left:
        answer = ask(viewer, run, "matches/", levels="40", down=down, **{"from": left[0], "to": left[1]})
        found += answer["numbers"]
        left, asked = answer["left"], asked + 1
    assert sorted(found) == list(range(3, 101, 4))
    assert asked > 1


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("down", [0, 1])
def test_more_matches_than_an_answer_holds_come_in_several(
    run: Runtime, viewer: Client, monkeypatch: pytest.MonkeyPatch, down: int
) -> None:
    say_many(run)
    monkeypatch.setattr("apps.console.log_viewer.views.MOST_MATCHES", 10)
    found, left = [], [1, 100]
    while left:
        answer = ask(viewer, run, "matches/", levels="40", down=down, **{"from": left[0], "to": left[1]})
        assert len(answer["numbers"]) <= 10
        found += answer["numbers"]
        left = answer["left"]
    assert sorted(found) == list(range(3, 101, 4))


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("expression", ["a(b", "[", "*", "(?P<x"])
def test_a_broken_expression_is_a_sentence(run: Runtime, viewer: Client, expression: str) -> None:
    say_many(run, 3)
    error = refusal(viewer, run, "matches/", q=expression, regex=1)
    assert error.startswith("This is not a regular expression: ")
    assert "Traceback" not in error


def test_an_expression_that_never_ends_does(run: Runtime, viewer: Client) -> None:
    say(run, 1, 3, message="a" * 5000 + "!")
    begun = time.monotonic()
    response = viewer.get(url(run, "matches/"), {"q": r"^(a|aa|a?a)+(\1)*$", "regex": "1"})
    # A second of work; the rest is for a machine that is busy.
    assert time.monotonic() - begun < 3
    # A database may know how to answer it; then it says so in time.
    assert response.status_code == 200 or "takes too long" in response.json()["error"]


def test_an_expression_that_is_slow_on_some_lines_finds_what_lies_before_them(
    run: Runtime, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The time is for the lines; until its process has started a busy machine may need more than that.
    monkeypatch.setattr(scanning, "Matcher", lambda expression, seconds: Matcher(expression, seconds=30.0))
    say(run, 1, 1000)
    say(run, 1001, 1001, message="a" * 5000 + "!")
    answer = ask(viewer, run, "matches/", q=r"line 7 said|^(a|aa|a?a)+(\1)*$", regex=1)
    assert answer["numbers"] == [7]
    assert answer["left"] is None or answer["left"][1] == 1001


def test_text_that_is_downloaded_commands_no_terminal_and_forges_no_line(run: Runtime, viewer: Client) -> None:
    said = "red \x1b[31m\u202etxt.exe\r\n2026-01-01T00:00:00Z CRITICAL x forged"
    say(run, 1, 1, message=said, exception="Traceback\n  in \x9bmain\nValueError: x", context_json={"a\x07": "b\nc"})
    text = downloaded(viewer, run, form="text")
    assert r"red \x1b[31m\u202etxt.exe\x0d\n2026-01-01T00:00:00Z CRITICAL x forged a\x07=b\nc" in text
    assert text.splitlines()[1:] == ["    Traceback", r"      in \x9bmain", "    ValueError: x"]
    assert json.loads(downloaded(viewer, run, form="jsonl"))["text"] == said


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"levels": "35"}, "There is no level"),
        ({"q": "x" * 201}, "at most 200 characters"),
        ({"q": "a\x00b"}, "NUL"),
        ({"field": "status"}, "name=value"),
        ({"field": "status={}"}, "name=value"),
        ({"field": "status=" + "[" * 500}, "name=value"),
        ({"logger": [str(n) for n in range(30)]}, "at most 20 loggers"),
        ({"from": "-1"}, "whole number"),
        ({"from": "9" * 40}, "whole number"),
    ],
)
def test_a_filter_that_makes_no_sense_is_a_sentence(
    run: Runtime, viewer: Client, query: dict[str, Any], words: str
) -> None:
    assert words in refusal(viewer, run, "matches/", **query)


def test_as_many_searches_as_allowed_run_at_once(run: Runtime, viewer: Client) -> None:
    held = [scanning._slots.acquire(timeout=1) for _ in range(scanning.AT_ONCE)]
    assert all(held)
    try:
        assert viewer.get(url(run, "matches/?q=x")).status_code == 429
    finally:
        for _ in held:
            scanning._slots.release()
    assert viewer.get(url(run, "matches/?q=x")).status_code == 200


def test_counts_are_taken_once_and_then_only_further(
    run: Runtime, viewer: Client, django_assert_num_queries: Any
) -> None:
    tally._kept.clear()
    say_many(run)
    first = ask(viewer, run, "counts/")
    assert first["levels"] == {"10": 25, "20": 25, "30": 25, "40": 25}
    assert first["loggers"] == [["collector", 90], ["http", 10]]
    say(run, 101, 103, level=50, logger="late")
    again = ask(viewer, run, "counts/")
    assert again["levels"]["50"] == 3
    assert (again["upto"], again["is_complete"]) == (103, True)
    with django_assert_num_queries(2):
        assert tally.count_lines(run.pk)["levels"]["50"] == 3


def test_counts_begin_again_when_lines_were_swept(run: Runtime, viewer: Client) -> None:
    say_many(run)
    ask(viewer, run, "counts/")
    Log.objects.filter(runtime=run, line_number__lte=50).delete()
    assert sum(ask(viewer, run, "counts/")["levels"].values()) == 50


def test_errors_are_found_one_after_the_other(run: Runtime, viewer: Client) -> None:
    say_many(run, 10)
    assert [ask(viewer, run, "locate/", after=after)["line"] for after in (0, 3, 7)] == [3, 7, None]


def test_a_time_is_found(run: Runtime, viewer: Client) -> None:
    say(run, 1, 1000)

    def at(seconds: float) -> Any:
        moment = (run.queued_at + timedelta(seconds=seconds)).timestamp()
        return ask(viewer, run, "locate/", at=int(moment * 1000))["line"]

    assert at(-100) == 1
    assert at(500.5) == 501
    assert at(10_000) == 1000
    assert "no such time" in refusal(viewer, run, "locate/", at=10**15 - 1)


@pytest.mark.usefixtures("unhurried")
def test_a_run_without_lines_has_none(run: Runtime, viewer: Client) -> None:
    assert ask(viewer, run, "lines/", after=0)["lines"] == []
    assert ask(viewer, run, "matches/", q="x")["numbers"] == []
    assert ask(viewer, run, "counts/")["is_complete"] is True
    assert ask(viewer, run, "locate/", at=5)["line"] is None
    assert downloaded(viewer, run) == ""


def test_everything_or_the_view_is_downloaded_as_text(run: Runtime, viewer: Client) -> None:
    say_many(run, 5000)
    lines = downloaded(viewer, run, form="text").splitlines()
    assert len(lines) == 5000 + 2 * 1250
    assert lines[5].endswith("INFO     collector line 4 said")
    assert lines[6].endswith("DEBUG    collector line 5 said shop=north status=200")
    assert len(downloaded(viewer, run, form="text", levels="40").splitlines()) == 3 * 1250


def test_a_download_as_jsonl_holds_whole_lines(run: Runtime, viewer: Client) -> None:
    say(run, 1, 3, message="x" * 20_000, context_json={"a": "b" * 10_000})
    lines = [json.loads(line) for line in downloaded(viewer, run, form="jsonl", **{"from": 2}).splitlines()]
    assert [line["line"] for line in lines] == [2, 3]
    assert (len(lines[0]["text"]), len(lines[0]["fields"]["a"]), lines[0]["level"]) == (20_000, 10_000, "INFO")


def test_a_download_in_another_form_is_refused(run: Runtime, viewer: Client) -> None:
    assert "text and jsonl" in refusal(viewer, run, "download/", form="exe")


def test_the_number_of_queries_does_not_grow_with_the_log(
    run: Runtime, viewer: Client, django_assert_max_num_queries: Any
) -> None:
    say(run, 1, 2000)
    with django_assert_max_num_queries(10):
        viewer.get(url(run, "lines/?from=1&to=500"))


def test_two_counters_of_one_run_wait_for_each_other(run: Runtime, transactional_db: None) -> None:
    tally._kept.clear()
    say_many(run, 400)
    results: list[Any] = []

    def count() -> None:
        from django.db import connections

        results.append(tally.count_lines(run.pk)["levels"])
        connections.close_all()

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"10": 100, "20": 100, "30": 100, "40": 100}] * 3
