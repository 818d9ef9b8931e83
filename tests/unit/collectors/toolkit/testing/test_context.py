from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

import collectors.toolkit.testing as kit
from collectors.contract import Clients, Ending, Logger, ProgressReport, RecordStore, StopSignal
from collectors.identity import BadAppCode
from collectors.toolkit.errors import SiteUnreachable
from collectors.toolkit.scraping import BaseScraper
from collectors.toolkit.testing import CannedClients, MemoryContext, MemoryRecords, make_context


class Letter:
    natural_key: ClassVar = ("letter",)


class Letters(BaseScraper):
    model = Letter

    class Args(BaseModel):
        word: str = "abc"

    def prepare_list(self) -> list[str]:
        return list(self.args.word)

    def collect(self, item: str) -> Iterator[dict[str, Any]]:
        if item == "!":
            self.context.stop.set()  # type: ignore[attr-defined]
        yield {"letter": item, "text": self.request.get(f"https://letters.example/{item}").text}


ANSWERS: dict[str, kit.Answer] = {f"https://letters.example/{letter}": letter.upper() for letter in "abc!"}


def test_a_scraper_runs_in_it() -> None:
    context = make_context(Letters.Args(word="ab"), clients=CannedClients(ANSWERS))

    outcome = Letters(context).run()

    assert outcome.complete
    assert context.records.rows(Letter) == [{"letter": "a", "text": "A"}, {"letter": "b", "text": "B"}]
    assert (context.progress.solved, context.progress.failed, context.progress.size) == (2, 0, 2)


def test_a_limit_limits() -> None:
    context = make_context(Letters.Args(), clients=CannedClients(ANSWERS), limit=1)

    assert not Letters(context).run().complete
    assert len(context.records.rows(Letter)) == 1


def test_a_dry_run_writes_nothing() -> None:
    context = make_context(Letters.Args(), clients=CannedClients(ANSWERS), dry_run=True)
    Letters(context).run()

    assert context.records.totals.inserted == 3
    assert context.records.rows(Letter) == []


def test_a_second_run_meets_what_the_first_one_stored() -> None:
    first = make_context(Letters.Args(), clients=CannedClients(ANSWERS))
    Letters(first).run()

    second = make_context(Letters.Args(word="ab"), clients=CannedClients(ANSWERS), records=first.records)
    Letters(second).run()

    assert second.records.history(Letter) == [{"letter": "c", "text": "C"}]


def test_a_dry_run_on_what_was_stored_leaves_it_as_it_is() -> None:
    first = make_context(Letters.Args(), clients=CannedClients(ANSWERS))
    Letters(first).run()

    rehearsal = make_context(
        Letters.Args(word="ab"), clients=CannedClients(ANSWERS), records=first.records, dry_run=True
    )
    Letters(rehearsal).run()

    assert len(rehearsal.records.rows(Letter)) == 3


def test_a_stop_ends_the_run_between_two_items() -> None:
    context = make_context(Letters.Args(word="a!bc"), clients=CannedClients(ANSWERS))

    outcome = Letters(context).run()

    assert outcome.ending is Ending.STOPPED
    assert [row["letter"] for row in context.records.rows(Letter)] == ["a", "!"]


def test_without_clients_nothing_can_be_reached() -> None:
    with pytest.raises(SiteUnreachable):
        make_context().request.get("https://letters.example/a")


def test_without_arguments_there_is_an_empty_dict() -> None:
    context = make_context()

    assert context.args == {}
    assert context.app.code == "tests.unit.sample"


def test_a_wrong_app_code_is_refused() -> None:
    with pytest.raises(BadAppCode):
        make_context(app="only.two")


def test_contexts_share_nothing() -> None:
    make_context().records.merge(Letter, [{"letter": "a"}])

    assert make_context().records.rows(Letter) == []


def test_the_public_face_is_what_it_says() -> None:
    assert all(hasattr(kit, name) for name in kit.__all__)
    assert kit.__all__ == sorted(kit.__all__)


def takes_all_protocols(
    context: MemoryContext,
) -> tuple[Logger, RecordStore, ProgressReport, Clients, StopSignal]:
    """For the type checker: every double fits its protocol."""
    return context.log, MemoryRecords(), context.progress, CannedClients(), context.stop
