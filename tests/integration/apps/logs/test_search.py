"""Text search across runs: exact, newest first, indexed or not."""

from __future__ import annotations

import threading
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.core.clock import utc_now
from apps.logs import indexing, segments
from apps.logs.grams import VERSION, chunk_grams, fact_grams, logger_grams, needle_grams, pack
from apps.logs.indexing import LINES, forget_old_grams, index_chunks
from apps.logs.models import Log
from apps.logs.search import Filters, Page, search
from apps.logs.search_models import LogChunk, LogGram
from apps.logs.segments import build_segment, candidates, delete_empty_segments
from apps.runtime.models import State
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def say(*messages: str, **values: Any) -> list[Log]:
    values = {"logged_at": NOW, **values}
    return Log.objects.bulk_create([Log(message=message, **values) for message in messages])


def fill(count: int = 2 * LINES, **values: Any) -> None:
    """Lines enough for the index to take everything before them."""
    say(*(f"filler {number}" for number in range(count)), **values)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "CHUNKS", 8)


def found(*texts: str, **filters: Any) -> list[str]:
    page = search(Filters(texts=texts, **filters), limit=100_000, budget_s=30)
    assert page.is_complete
    return [line.message for line in page.lines]


def test_a_text_is_found_in_any_case_in_the_index_and_behind_it() -> None:
    say("Connection REFUSED by shop", "nothing here")
    fill()
    assert index_chunks() > 0
    say("connection refused by bank")

    assert found("connection refused") == ["connection refused by bank", "Connection REFUSED by shop"]
    assert found("CONNECTION Refused BY s") == ["Connection REFUSED by shop"]
    assert found("refused connection") == []


def test_the_index_rules_chunks_out_and_nothing_that_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    say("needle-4711-end", context_json={"url": "https://shop.example/x?y=1", "order": 900_815}, exception="Boom: öÄ ß")
    fill(20 * LINES)
    index_chunks(30)

    for text in ("4711", "needle-47", "order=900815", "url=https://shop", "boom: ÖÄ SS", "e", "/x", "x?y=1"):
        assert "needle-4711-end" in found(text), text
    assert LogChunk.objects.count() == 20
    for is_segmented in (False, True):
        assert LogGram.objects.exists() is is_segmented
        chunks = candidates(LogChunk.objects.all(), [needle_grams("900815")], before=10**9)
        assert [chunk.pk for chunk in chunks] == [LogChunk.objects.earliest("pk").pk]
        monkeypatch.setattr(segments, "CHUNKS", 16)
        assert build_segment() is not is_segmented


def test_what_looks_like_a_pattern_is_a_text() -> None:
    say("100% sure_ of [it] \\ 'quoted' \"twice\" * AND NOT")
    fill()
    index_chunks()

    for text in ("100%", "sure_", "[it]", "\\", "'quoted'", '"twice"', "* and not"):
        assert len(found(text)) == 1, text
    assert found("100_ ") == []


def test_every_text_must_stand_in_the_line() -> None:
    say("timeout at proxy one", "timeout at shop", "proxy is fine")
    fill()
    index_chunks()

    assert found("timeout", "proxy") == ["timeout at proxy one"]


def test_lines_are_found_by_level_logger_app_run_group_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "CHUNKS", 8)
    run = make_run(make_app(), State.RUNNING)
    say("bad", level=Log.Level.ERROR, logger="source.shop.books", fingerprint="f" * 32)
    say("of the run", runtime=run, app=run.app, line_number=1)
    say("old", logged_at=NOW - timedelta(days=3), logger="source.shopping")
    for _ in range(3):
        assert found(level=40) == ["bad"]
        assert found(logger="source.shop") == ["bad"]
        assert found(logger="SOURCE", level=30) == ["bad"]
        assert found(app_ids=(run.app_id,)) == ["of the run"]
        assert found(runtime_ids=(run.pk,), app_ids=(run.app_id, 0)) == ["of the run"]
        assert found(group="f" * 32) == ["bad"]
        assert found(until=NOW - timedelta(days=1)) == ["old"]
        assert set(found("ol", since=NOW - timedelta(days=4))) == {"old"}
        assert found("old", since=NOW - timedelta(days=1)) == []
        assert found(app_ids=()) == []
        fill(logged_at=NOW - timedelta(hours=12))
        index_chunks()
        fill(1, logged_at=NOW - timedelta(hours=12))


def test_pages_follow_each_other_without_losing_or_doubling_a_line(small_segments: None) -> None:
    for number in range(40):
        say(f"match {number}")
        fill(LINES // 4)
        if number % 10 == 5:
            index_chunks(30)
    seen: list[str] = []
    cursor: int | None = None
    for _ in range(40):
        page: Page = search(Filters(texts=("match",)), before_id=cursor, limit=7, budget_s=30)
        seen += [line.message for line in page.lines]
        cursor = page.next_cursor
        if page.is_complete:
            break

    assert seen == [f"match {number}" for number in reversed(range(40))]


def test_a_search_without_time_gets_further_with_every_page(small_segments: None) -> None:
    say("the oldest line of all")
    fill(12 * LINES)
    index_chunks(30)
    fill(10)
    cursors: list[int] = []
    page = search(Filters(texts=("ol",)), budget_s=0)
    while not page.lines:
        assert page.next_cursor is not None
        cursors.append(page.next_cursor)
        page = search(Filters(texts=("ol",)), before_id=page.next_cursor, budget_s=0)

    assert [line.message for line in page.lines] == ["the oldest line of all"]
    assert len(cursors) > 1
    assert cursors == sorted(cursors, reverse=True)


def test_chunks_hold_whole_numbers_of_lines_and_leave_no_gap() -> None:
    fill(5 * LINES + 17)
    index_chunks(30)
    chunks = list(LogChunk.objects.order_by("first_id"))

    assert [chunk.line_count for chunk in chunks] == [LINES] * 5
    assert all(later.first_id == earlier.last_id + 1 for earlier, later in pairwise(chunks))
    assert index_chunks() == 0


def test_a_chunk_of_long_lines_ends_earlier() -> None:
    say(*("x" * 60_000 for _ in range(30)))
    index_chunks()

    assert max(LogChunk.objects.values_list("line_count", flat=True)) < 10


def test_a_second_indexer_in_the_same_place_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(3 * LINES)
    monkeypatch.setattr(indexing, "indexed_end", lambda: 0)  # what a process sees that began at the same time
    first = index_chunks()

    assert index_chunks() == 0
    assert LogChunk.objects.count() in (first, 3)


def test_segments_go_when_their_chunks_are_gone_and_their_numbers_can_be_used_again(small_segments: None) -> None:
    say("needle in the hay")
    fill(20 * LINES)
    index_chunks(30)
    assert LogChunk.objects.filter(grams__isnull=True).count() == 15
    assert delete_empty_segments() == 0
    old = LogChunk.objects.filter(pk__lt=10)
    Log.objects.filter(pk__lte=max(old.values_list("last_id", flat=True))).delete()
    old.delete()

    assert delete_empty_segments() == segments.ROWS
    assert found("needle in the") == []
    assert len(found("filler")) == 11 * LINES + 1
    LogChunk.objects.all().delete()
    Log.objects.all().delete()
    say("another needle")
    fill(8 * LINES)
    index_chunks(30)
    assert LogChunk.objects.filter(grams__isnull=True).count() == 7
    assert found("another needle") == ["another needle"]


@pytest.mark.django_db(transaction=True)
def test_several_processes_build_one_index(small_segments: None) -> None:
    fill(40 * LINES)
    barrier = threading.Barrier(4)

    def index() -> None:
        try:
            barrier.wait()
            for _ in range(20):
                with suppress(OperationalError):  # SQLite: the other one writes
                    index_chunks(30)
        finally:
            connection.close()

    threads = [threading.Thread(target=index) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(LogChunk.objects.order_by("pk").values_list("pk", flat=True)) == list(range(1, 41))
    assert len(found("filler")) == 40 * LINES
    assert len(found("filler 10239")) == 1


def test_lines_come_with_their_app_in_a_fixed_number_of_queries(django_assert_num_queries: Any) -> None:
    run = make_run(make_app(), State.RUNNING)
    for number in range(60):
        say(f"match {number}", runtime=run, app=run.app, line_number=number + 1)
    with django_assert_num_queries(3):  # the end of the index, the newest lines, and those that match with their apps
        page = search(Filters(texts=("match",)), limit=50)
        assert {line.app.code for line in page.lines if line.app} == {run.app.code}


def test_after_an_upgrade_an_index_that_lacks_grams_is_built_anew_by_itself(
    small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("took_ms=417 of shop17")
    fill(10 * LINES)
    with monkeypatch.context() as before:  # as an earlier version had it: whole words, and no other grams
        before.setattr(indexing, "VERSION", 0)
        before.setattr(indexing, "chunk_grams", lambda _texts: needle_grams("filler"))
        assert index_chunks() > 8
        assert found("=417") == []
    assert LogGram.objects.exists()
    assert LogChunk.objects.exclude(version=0).count() == 0

    # Until it is built anew, everything is found without it.
    assert found("=417") == ["took_ms=417 of shop17"]
    assert index_chunks() > 8
    assert LogChunk.objects.exclude(version=VERSION).count() == 0
    assert found("=417") == ["took_ms=417 of shop17"]
    assert len(found("filler")) == 10 * LINES
    assert not forget_old_grams()


def test_whoever_changes_what_the_index_holds_raises_its_version() -> None:
    held = chunk_grams(["page.fetched url=https://example.org/17 took_ms=123456\n"]) | logger_grams("Source.shop")
    held |= fact_grams("level", 40) | fact_grams("run", "a" * 32)
    assert (VERSION, zlib.crc32(pack(held))) == (1, 2657958102)


class TestAnyText(TestCase):
    """Whatever a line holds is found by any part of it."""

    @given(st.data())
    def test_any_part_of_a_line_finds_it(self, data: st.DataObject) -> None:
        storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)
        text = data.draw(storable)
        start = data.draw(st.integers(0, len(text) - 1))
        part = text[start : data.draw(st.integers(start + 1, len(text)))]
        Log.objects.create(message=text, logged_at=utc_now())
        Log.objects.bulk_create([Log(message="filler", logged_at=utc_now()) for _ in range(LINES)])
        index_chunks()

        assert text in {line.message for line in search(Filters(texts=(part,)), limit=1000, budget_s=30).lines}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="elsewhere there is one writer at a time")
def test_lines_that_are_not_committed_yet_are_waited_for() -> None:
    taken, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                say("slow line")
                taken.set()
                go_on.wait(30)
        finally:
            connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert taken.wait(30)
    fill()  # committed, with ids above the slow line
    assert index_chunks(0.3) == 0
    go_on.set()
    writer.join()

    assert index_chunks() == 2
    assert found("slow line") == ["slow line"]
