from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from collectors.contract import Ending
from collectors.sources.$code.main import $collector
from collectors.sources.$code.models import Item
from collectors.toolkit.testing import CannedClients, MemoryContext, make_context

PAGES = Path(__file__).parent / "pages"
SITE = "http://shop.test/demo/"


def context_with(**answers: Path | int) -> MemoryContext:
    urls = {f"{SITE}books/{number.removeprefix('item_')}/": answer for number, answer in answers.items()}
    clients = CannedClients({SITE: PAGES / "list.html", **urls})
    return make_context($collector.Args(base_url=SITE), app="$code", clients=clients)


def test_it_collects_every_item_of_the_list() -> None:
    context = context_with(item_1=PAGES / "item-1.html", item_2=PAGES / "item-2.html")

    outcome = $collector(context).run()

    assert outcome.complete
    assert sorted((row["number"], row["price"]) for row in context.records.rows(Item)) == [
        ("9781458654281", Decimal("15.69")),
        ("9786490458682", Decimal("11.09")),
    ]


def test_an_item_that_cannot_be_fetched_fails_alone() -> None:
    context = context_with(item_1=PAGES / "item-1.html", item_2=404)

    outcome = $collector(context).run()

    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, False)
    assert (context.progress.solved, context.progress.failed) == (1, 1)
