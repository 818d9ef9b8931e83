from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from collectors.contract import Ending, Failure
from collectors.sources.examples.shop.outlet.main import Outlet
from collectors.sources.examples.shop.outlet.models import Copy
from collectors.sources.examples.shop.outlet.parser import parse_shelf
from collectors.toolkit.errors import ParseError
from collectors.toolkit.testing import Answer, CannedClients, make_context, recorded

APP = "examples.shop.outlet"
RECORDED = Path(__file__).parent / "recorded"
SHOP = "http://127.0.0.1:8000/demo/"


def copy(number: int) -> str:
    return (
        f'<article class="copy"><h1 class="title">Book {number}</h1>'
        f'<i class="number">{number}</i> <i class="price">€ 4.90</i></article>'
    )


def outlet(answers: dict[int, Answer]) -> CannedClients:
    shelf = "".join(f'<li><a href="/demo/outlet/{number}/">x</a></li>' for number in answers)
    pages: dict[str, Answer] = {f"{SHOP}outlet/{number}/": answer for number, answer in answers.items()}
    return CannedClients({f"{SHOP}outlet/": f'<ul class="copies">{shelf}</ul>', **pages}, retries=2)


def test_it_gives_up_after_four_copies_in_a_row_that_are_gone_and_says_so() -> None:
    context = make_context(Outlet.Args(), app=APP, clients=recorded(RECORDED))

    outcome = Outlet(context).run()

    assert isinstance(outcome, Failure)
    assert outcome.cause.startswith("Gave up after 4 errors of the category http in a row. ")
    assert outcome.cause.endswith("/demo/outlet/11/ answered 404 Not Found.")
    assert (outcome.category, outcome.is_blocked, outcome.complete) == ("http", False, False)
    assert [row["number"] for row in context.records.rows(Copy)] == [1, 2, 3, 5, 6, 7]
    assert context.progress.failed == 5


def test_a_page_that_is_busy_is_asked_again() -> None:
    times = iter([503, 200])
    clients = outlet({1: lambda _: httpx.Response(next(times), html=copy(1))})
    context = make_context(Outlet.Args(), app=APP, clients=clients)

    assert Outlet(context).run().complete
    assert [row["number"] for row in context.records.rows(Copy)] == [1]


def test_three_pages_that_cannot_be_read_are_enough() -> None:
    broken = "<article class=copy></article>"
    context = make_context(Outlet.Args(), app=APP, clients=outlet({1: copy(1), 2: broken, 3: broken, 4: broken}))

    outcome = Outlet(context).run()

    assert (outcome.ending, outcome.complete) == (Ending.FAILED, False)
    assert outcome.cause.startswith("Gave up after 3 errors of the category parse.")


def test_a_copy_that_is_gone_fails_alone_and_archives_nothing() -> None:
    first = make_context(Outlet.Args(), app=APP, clients=outlet({number: copy(number) for number in range(1, 4)}))
    Outlet(first).run()
    clients = outlet({1: copy(1), 2: 404, 3: copy(3)})

    outcome = Outlet(make_context(Outlet.Args(), app=APP, clients=clients, records=first.records)).run()

    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, False)
    assert len(first.records.rows(Copy)) == 3


def test_a_page_without_copies_is_refused() -> None:
    with pytest.raises(ParseError, match="lists no copies"):
        parse_shelf(b"<p>Closed</p>", SHOP)
