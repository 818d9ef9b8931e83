"""A row that a rule puts aside is kept with what is wrong with it, and comes in later, once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.logs.models import JournalFile
from apps.quality.judging import Quality
from apps.quality.models import QuarantinedRow, Rule
from apps.records.merge import Hooks
from apps.records.replay import MASKED, replay
from apps.records.store import DjangoRecordStore
from apps.runtime.journals import journal_root, open_journal
from apps.runtime.models import State
from apps.runtime.shipper import Shipper
from apps.runtime.telling import tell_quality
from collectors.contract import Context
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.journal.known import known
from collectors.toolkit.journal.service import service
from tests.integration.apps.quality.runs import (
    LABEL,
    current,
    execute,
    held,
    in_thread,
    measured,
    merge,
    room_rules,
    rule,
)
from tests.integration.factories import book, books, make_app, make_run, storing

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def quality(*arguments: Any) -> str:
    out = StringIO()
    call_command("quality", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_three_bad_rows_of_a_hundred_wait_and_come_in_once_the_rule_is_mended() -> None:
    strict = rule("range", "quarantine", field="stock", maximum=100)
    bad = [book(number, stock=500) for number in (7, 50, 99)]

    run = merge(*(bad.pop(0) if number in (7, 50, 99) else book(number) for number in range(100)))

    assert (run.state, run.rows_seen, run.rows_inserted, run.rows_quarantined) == (State.SUCCEEDED, 100, 97, 3)
    assert [(row.row, row.rule, row.field, row.runtime) for row in held()] == [
        (number + 1, "range stock", "stock", run.pk) for number in (7, 50, 99)
    ]
    assert held()[0].reason == 'Row 8 of Book: "stock" is 500, at most 100 is expected (range stock).'
    (measure,) = measured()
    assert (measure.outcome, measure.quarantined, measure.consistency) == ("warn", 3, 0.97)
    assert quality("replay", "--all").startswith("0 inserted, 3 still held of 3.")

    strict.parameters = {"field": "stock", "maximum": 1000}
    strict.save()

    assert quality("replay", "--all") == "3 inserted of 3.\n"
    assert quality("replay", "--all") == "0 inserted of 0.\n"
    assert quality("replay", *QuarantinedRow.objects.values_list("pk", flat=True)) == (
        "0 inserted, 3 settled before of 3.\n"
    )
    assert len(current()) == Book.objects.count() == 100
    assert current()["7"].runtime == run.pk
    assert [entry.details["inserted"] for entry in AuditEntry.objects.filter(action="quality.replayed").order_by("id")][
        :2
    ] == [0, 3]


def test_rows_that_do_not_fit_their_table_are_put_aside_when_a_rule_says_so() -> None:
    rule("fits", "quarantine")
    odd = [book(1, price="free"), {"isbn": "2"}, 7, book(3, title="a\x00b"), book(4, title="\ud800"), book(5)]

    run = execute(storing(odd))

    assert (run.state, run.rows_inserted, run.rows_quarantined) == (State.SUCCEEDED, 1, 5)
    assert [(row.row, row.rule) for row in held()] == [
        (1, "type"), (2, "missing"), (3, "kind"), (4, "nul"), (5, "surrogate"),
    ]  # fmt: skip
    done = replay([row.pk for row in held()], actor=None, source="SHELL", now=utc_now())
    assert (done.inserted, len(done.held), len(held())) == (0, 5, 5)
    assert sorted(current()) == ["5"]


def test_a_bad_row_stops_everything_where_no_rule_puts_it_aside() -> None:
    rule("range", "block", field="stock", maximum=100)

    run = merge(*books(range(3)), book(4, stock=101))

    assert (run.state, run.error_category) == (State.FAILED, "quality")
    assert run.cause == 'Row 4 of Book: "stock" is 101, at most 100 is expected (range stock).'
    assert current() == {}
    (measure,) = measured()
    assert (measure.outcome, measure.cause) == ("block", run.cause)


def test_a_warning_counts_rows_and_keeps_none_back() -> None:
    rule("range", "warn", field="stock", maximum=100)

    run = merge(book(1), book(2, stock=101), book(3, stock=102))

    assert (run.state, run.rows_inserted, run.rows_quarantined) == (State.SUCCEEDED, 3, 0)
    (measure,) = measured()
    assert measure.consistency == pytest.approx(1 / 3)
    assert [(v["rule"], v["outcome"], v["rows"]) for v in measure.verdicts if v["rows"]] == [("range stock", "warn", 2)]


def test_a_row_model_of_the_room_checks_rows(tmp_path: Path) -> None:
    rules = (
        "from decimal import Decimal\n"
        "from pydantic import BaseModel, Field, model_validator\n"
        "from collectors.sources.examples.shop.books.models import Book\n"
        "from collectors.toolkit.quality import DatasetRules\n"
        "class BookRow(BaseModel):\n"
        "    isbn: str = Field(pattern=r'^\\d{13}$')\n"
        "    price: Decimal = Field(gt=0)\n"
        "    @model_validator(mode='after')\n"
        "    def cheap_where_there_are_many(self):\n"
        "        assert self.price < 100, 'too expensive'\n"
        "        return self\n"
        "class BookRules(DatasetRules):\n"
        "    model, row_model, row_model_severity = Book, BookRow, 'quarantine'\n"
    )
    with room_rules(tmp_path, rules):
        run = merge(book(1), book(2, isbn="x"), book(3, price=0), book(4, price=200))

    assert (run.rows_inserted, run.rows_quarantined) == (1, 3)
    assert [(row.row, row.field, row.rule) for row in held()] == [
        (2, "isbn", "BookRow"), (3, "price", "BookRow"), (4, "", "BookRow"),
    ]  # fmt: skip
    assert "too expensive" in held()[2].reason


def test_contradicting_rows_of_one_key_may_be_put_aside_the_first_one_stays() -> None:
    rule("unique", "quarantine")

    run = merge(book(1, stock=1), book(1, stock=2), book(1, stock=1), book(1, stock=3))

    assert (run.rows_seen, run.rows_inserted, run.rows_quarantined) == (4, 1, 2)
    assert current()["1"].stock == 1
    # Of the others, the first one comes in as well; whoever wants the last one replays it alone.
    done = replay([row.pk for row in held()], actor=None, source="SHELL", now=utc_now())
    assert (done.inserted, len(done.held), done.held[0][1][:5]) == (1, 1, "Row 4")
    assert (current()["1"].stock, Book.objects.count()) == (2, 2)


def test_what_is_current_of_a_row_that_is_put_aside_is_not_missing() -> None:
    merge(*books(range(4)))
    rule("range", "quarantine", field="stock", maximum=100)
    rule("fits", "quarantine")

    run = merge(book(0), book(1, stock=500), book(2, price="free"))

    assert (run.rows_seen, run.rows_unchanged, run.rows_quarantined, run.rows_archived) == (3, 1, 2, 1)
    assert {number: row.stock for number, row in current().items()} == {"0": 3, "1": 3, "2": 3}


def test_a_merge_all_of_whose_rows_are_put_aside_is_an_empty_one() -> None:
    merge(*books(range(4)))
    rule("range", "quarantine", field="stock", maximum=1)

    run = merge(*(book(number, stock=9) for number in range(4)))

    assert run.state == State.FAILED
    assert "all 4 rows were put aside while 4 are current" in run.cause
    assert (len(held()), len(current())) == (4, 4)


def test_the_quarantine_outlives_a_merge_that_is_stopped_or_rolled_back() -> None:
    rule("range", "quarantine", field="stock", maximum=100)
    merge(*books(range(10)))

    stopped = merge(book(1), book(20, stock=500))
    assert (stopped.state, stopped.rows_quarantined) == (State.FAILED, 0)
    assert [row.runtime for row in held()] == [stopped.pk]

    def main(context: Context) -> None:
        with context.records.transaction():
            context.records.merge(Book, [*books(range(10)), book(30, stock=600)])
            raise ValueError("after the merge")

    failed = execute(main)
    assert failed.state == State.FAILED
    assert [row.runtime for row in held()] == [stopped.pk, failed.pk]
    assert len(current()) == 10


def test_the_quarantine_outlives_the_death_of_the_process_in_the_middle_of_a_merge() -> None:
    rule("range", "quarantine", field="stock", maximum=100)
    run = make_run(make_app(), State.RUNNING)
    connections.close_all()

    pid = os.fork()
    if pid == 0:
        try:
            with service.writing_to(open_journal(run)):
                # Everything is written, and the next word would be COMMIT.
                hooks = Hooks(fence=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
                quality = Quality(runtime_id=run.pk, tell=tell_quality)
                records = DjangoRecordStore(runtime_id=run.pk, dry_run=False, hooks=hooks, quality=quality)
                records.merge(Book, [*books(range(3)), book(4, stock=500)])
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    Shipper(journal_root()).drain(run.pk)

    assert os.WIFSIGNALED(status)
    assert current() == {}
    assert [(row.row, row.runtime) for row in held()] == [(4, run.pk)]


def test_a_merge_that_is_tried_again_puts_its_rows_aside_once() -> None:
    rule("range", "quarantine", field="stock", maximum=100)

    def main(context: Context) -> None:
        fence, tries = context.records.hooks.fence, [1]  # type: ignore[attr-defined]

        def trouble(alias: str, tables: Sequence[str]) -> None:
            if tries:
                tries.pop()
                raise OperationalError("database is locked") from _Busy()
            fence(alias, tables)

        context.records.hooks = replace(context.records.hooks, fence=trouble)  # type: ignore[attr-defined]
        context.records.merge(Book, [*books(range(3)), book(4, stock=500)])

    class _Busy(Exception):
        sqlstate = "40001"
        sqlite_errorcode = 5

    run = execute(main)

    assert (run.state, run.rows_inserted, run.rows_quarantined) == (State.SUCCEEDED, 3, 1)
    assert len(held()) == 1


def test_a_row_that_comes_again_waits_once() -> None:
    rule("range", "quarantine", field="stock", maximum=100)
    for _ in range(3):
        run = merge(book(1), book(2, stock=500))

    assert [row.runtime for row in held()] == [run.pk]
    assert QuarantinedRow.objects.filter(state="REPEATED").count() == 2


def test_two_who_replay_at_once_insert_once() -> None:
    rule("range", "quarantine", field="stock", maximum=100)
    merge(book(1), *(book(number, stock=500) for number in range(2, 12)))
    Rule.objects.all().delete()
    ids, done = [row.pk for row in held()], list[Any]()

    def work() -> Any:
        return replay(ids, actor=None, source="SHELL", now=utc_now())

    threads = [threading.Thread(target=in_thread, args=(work, done)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.inserted for one in done) == [0, 10]
    assert Book.objects.count() == 11
    assert held() == []


def test_a_row_is_not_replayed_over_a_newer_version() -> None:
    rule("range", "quarantine", field="stock", maximum=100)
    merge(book(1, stock=500), book(2))
    Rule.objects.all().delete()
    later = merge(book(1, stock=4), book(2))

    done = replay([row.pk for row in held()], actor=None, source="SHELL", now=utc_now())

    assert done.inserted == 0
    assert done.held[0][1] == f"The run {later.pk[:8]} has brought a newer version since; discard this one."
    assert current()["1"].stock == 4
    assert quality("discard", held()[0].pk) == "1 discarded of 1.\n"
    assert held() == []


def test_a_secret_is_masked_in_a_row_that_waits_and_such_a_row_is_not_replayed() -> None:
    known.learn("c4nary-of-the-shop")
    rule("range", "quarantine", field="stock", maximum=100)
    merge(book(1), book(2, stock=500, title="key c4nary-of-the-shop"))
    Rule.objects.all().delete()

    (row,) = held()
    assert "c4nary" not in row.payload
    assert not row.is_whole
    done = replay([row.pk], actor=None, source="SHELL", now=utc_now())
    assert done.held == [(row.pk, MASKED)]


def test_a_long_row_waits_whole_and_one_that_is_too_long_stops_the_merge() -> None:
    rule("range", "quarantine", field="stock", maximum=100)
    rule("fits", "quarantine")
    merge(book(1), book(2, author="é" * 15_000))
    (row,) = held()
    assert (row.is_whole, row.rule) == (True, "length")

    run = merge(book(1), book(3, author="é" * 50_000))

    assert run.state == State.FAILED
    assert "at most 200 characters" in run.cause


def test_what_was_shipped_twice_is_there_once() -> None:
    rule("range", "quarantine", field="stock", maximum=100)
    run = merge(book(1), book(2, stock=500))
    JournalFile.objects.filter(runtime=run).update(offset=0, seq=0, sealed_at=None)

    Shipper(journal_root()).drain(run.pk)

    assert (len(held()), len(measured())) == (1, 1)


def test_the_command_lists_what_waits_and_refuses_what_makes_no_sense() -> None:
    rule("range", "quarantine", field="stock", maximum=100)
    run = merge(book(1), book(2, stock=500))

    told = quality("held", "--dataset", LABEL, "--run", run.pk[:6])
    assert told.splitlines()[-1] == "1 held."
    assert 'Row 2 of Book: "stock" is 500' in told
    assert quality("held", "--rule", "another").splitlines() == ["0 held."]
    for arguments, words in (
        (("replay",), "or say --all"),
        (("discard", 1, "--all"), "or say --all"),
        (("replay", 10**9), "no quarantined row 1000000000"),
        (("let-through", "shop.nothing"), "no dataset shop.nothing"),
    ):
        with pytest.raises(CommandError, match=words):
            quality(*arguments)
    assert "is let through" in quality("let-through", LABEL)
    assert quality("discard", "--all").startswith("1 discarded")
    entries = AuditEntry.objects.filter(source="SHELL", action__startswith="quality.").order_by("pk")
    assert [entry.action for entry in entries] == ["quality.let_through", "quality.discarded"]


_books = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1, 2, 500, None, "many"])), min_size=1, max_size=8)


@pytest.mark.hypothesis
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(_books, _books, st.sampled_from(["archive", "delete", "keep"]))
def test_seen_is_duplicates_quarantined_inserted_and_unchanged(first: Any, second: Any, missing: str) -> None:
    Book.objects.all().delete()
    Rule.objects.all().delete()
    rule("range", "quarantine", field="stock", maximum=100)
    rule("fits", "quarantine")
    rule("unique", "quarantine")
    rule("empty_result", allowed=True)
    rule("archived_share", maximum=1)
    frames: list[tuple[str, dict[str, Any]]] = []

    def tell(kind: str, data: dict[str, Any]) -> bool:
        frames.append((kind, data))
        return True

    for snapshot in (first, second):
        frames.clear()
        before = {number: row.stock for number, row in current().items()}
        records = DjangoRecordStore(runtime_id="r", dry_run=False, quality=Quality(runtime_id="r", tell=tell))
        result = records.merge(Book, [book(number, stock=stock) for number, stock in snapshot], missing=missing)  # type: ignore[arg-type]

        good: dict[str, Any] = {}
        for number, stock in snapshot:
            if stock in (1, 2):
                good.setdefault(str(number), stock)
        assert result.seen == len(snapshot)
        assert result.seen == result.duplicates + result.quarantined + result.inserted + result.unchanged
        assert result.quarantined == len([kind for kind, _ in frames if kind == "quarantine"])
        kept = before if missing == "keep" else {n: s for n, s in before.items() if int(n) in dict(snapshot)}
        assert {number: row.stock for number, row in current().items()} == {**kept, **good}
