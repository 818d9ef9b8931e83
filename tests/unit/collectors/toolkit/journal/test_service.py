"""What a line carries that an author did not write: where it was said, and which errors are one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from collectors.toolkit.journal import Journal, Redactor, places, read_frames
from collectors.toolkit.journal.service import service

log = structlog.get_logger("source.x")
library = logging.getLogger("library")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with service.writing_to(Journal(tmp_path, about=dict)) as journal:
        yield journal


def said(journal: Journal) -> list[dict[str, Any]]:
    return [frame.data for frame in read_frames(journal.path).frames if frame.kind == "log"]


def test_errors_and_exceptions_have_a_fingerprint_and_other_lines_have_none(journal: Journal) -> None:
    log.info("page.fetched")
    log.warning("page.slow")
    library.warning("slow")
    assert [line.get("fp") for line in said(journal)] == [None] * 3
    log.error("page.failed", number=1)
    library.error("page %d failed", 1)
    try:
        raise ValueError("inside")
    except ValueError:
        log.warning("page.odd", exc_info=True)
        library.warning("odd", exc_info=True)
    prints = [line["fp"] for line in said(journal)[3:]]
    assert all(len(print_) == 32 for print_ in prints)
    # Wherever an exception is reported, it is the same one.
    assert prints[2] == prints[3]
    assert len(set(prints)) == 3


def test_an_error_keeps_its_fingerprint_whatever_its_numbers(journal: Journal) -> None:
    for number in (1, 2):
        library.error("page %d failed", number)
        log.error(f"shelf {number} is empty")  # noqa: G004
    first, second, third, fourth = (line["fp"] for line in said(journal))
    assert (first, second) == (third, fourth)


def test_an_event_that_is_no_text_is_a_line_all_the_same(journal: Journal) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    log.error(Odd())
    assert len(said(journal)[0]["fp"]) == 32


def test_the_place_is_that_of_the_author(journal: Journal) -> None:
    log.info("one")
    log.log(20, "two")
    log.bind(a=1).error("three")
    try:
        raise ValueError
    except ValueError:
        log.exception("four")
    assert {(line["module"], line["function"]) for line in said(journal)} == {
        ("test_service", "test_the_place_is_that_of_the_author")
    }


# -- The short way is the long way -------------------------------------------------------------------------------------


class Odd:
    """What neither JSON nor `str` knows."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("event", "values"),
    [
        ("page.fetched", {}),
        ("page.fetched", {"url": "https://example.org/x", "status": 200, "took": 1.5, "ok": True, "none": None}),
        ("told {}", {"text": "{", "list": [1, {"a": 1}]}),
        ("x\x00y", {"a": "\x00", "b": "\ud800", "n": 2**70, "odd": Odd()}),
        ("long", {"text": "x" * 200_000}),
        ("secret", {"password": "hunter2", "deep": [{"token": "hunter2"}], "url": "https://me:hunter2@example.org"}),
        ("known a-known-secret", {"text": "a-known-secret", "status": 1}),
        ("own", {"level": 99, "logger": "forged", "timestamp": 1, "stack_info": True, "kept": 1}),
    ],
)
def test_a_line_says_the_same_by_the_short_way_and_by_the_long_one(
    tmp_path: Path, event: str, values: dict[str, Any]
) -> None:
    with service.writing_to(Journal(tmp_path, about=dict, redactor=Redactor(["a-known-secret"]))) as journal:
        log.info(event, **values)
        (short,) = said(journal)
        place = {key: short[key] for key in ("level", "logger", "module", "function", "line", "thread")}
        context = {
            key: value for key, value in values.items() if key not in ("level", "logger", "timestamp", "stack_info")
        }
        journal.write("log", {"event": event, **place, **({"c": context} if context else {})})
    assert said(journal) == [short, short]
    assert place["logger"] == "source.x"
    assert "hunter2" not in journal.path.read_text()
    assert "a-known-secret" not in journal.path.read_text()


def test_what_is_bound_stands_behind_what_is_said_and_never_above_it(journal: Journal) -> None:
    with structlog.contextvars.bound_contextvars(runtime="r", status=1):
        log.bind(shop=17, status=2).info("page.fetched", status=3)
        log.info("page.fetched", url="u")
        library.info("page fetched")
    log.info("page.fetched")
    assert [line.get("c") for line in said(journal)] == [
        {"shop": 17, "status": 3, "runtime": "r"},
        {"url": "u", "runtime": "r", "status": 1},
        {"runtime": "r", "status": 1},
        None,
    ]


def test_code_that_awaits_says_its_lines_where_it_stands(journal: Journal) -> None:
    async def work() -> None:
        await log.ainfo("one", n=1)
        await log.alog(30, "two %d", 2)
        try:
            raise ValueError("inside")
        except ValueError:
            await log.aexception("three")

    asyncio.run(work())
    one, two, three = said(journal)
    assert {(line["module"], line["function"]) for line in (one, two, three)} == {("test_service", "work")}
    assert [(line["event"], line["level"]) for line in (one, two, three)] == [("one", 20), ("two 2", 30), ("three", 40)]
    assert "ValueError: inside" in three["exc"]


def test_a_thread_says_lines_under_its_own_name(journal: Journal) -> None:
    def work() -> None:
        log.info("x")
        library.info("y")

    for name in ("first", "second"):
        thread = threading.Thread(target=work, name=name)
        thread.start()
        thread.join()
    assert [line["thread"] for line in said(journal)] == ["first", "first", "second", "second"]


def test_a_level_of_its_own_is_kept_and_one_below_is_not_said(journal: Journal) -> None:
    log.log(25, "between")
    log.log(5, "below")
    log.debug("below")
    library.log(25, "between")
    assert [(line["event"], line["level"]) for line in said(journal)] == [("between", 25), ("between", 25)]


def test_arguments_that_do_not_fit_never_reach_the_author(journal: Journal) -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    log.info("%d pages", "many")
    log.info("%d pages of %s", 3, "shop")
    log.info("%(n)d pages", {"n": 3})
    # To our handler alone: that of the tests raises what does not fit.
    for level, argument in ((20, "many"), (40, Mute())):
        service.handler.handle(logging.LogRecord("library", level, __file__, 1, "%d pages", (argument,), None))
    assert [line["event"] for line in said(journal)] == [
        "'%d pages' % ('many',)",
        "3 pages of shop",
        "3 pages",
        "'%d pages' % ('many',)",
        "%d pages % <arguments without text>",
    ]


def test_processors_that_are_configured_get_the_lines_instead(journal: Journal) -> None:
    with structlog.testing.capture_logs() as captured:
        log.info("page.fetched", n=1)
        log.log(30, "page.slow")
    log.info("after")
    assert captured == [
        {"event": "page.fetched", "n": 1, "log_level": "info"},
        {"event": "page.slow", "log_level": "warning"},
    ]
    assert [line["event"] for line in said(journal)] == ["after"]


def test_more_places_than_are_remembered_are_told_apart_all_the_same(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_PLACES", 3)
    for number in range(10):
        exec(compile("log.info('said')\nlog.info('said')", f"/x/module{number}.py", "exec"), {"log": log})  # noqa: S102
    assert [(line["module"], line["line"]) for line in said(journal)] == [
        (f"module{number}", line) for number in range(10) for line in (1, 2)
    ]
