"""`assert_contract` passes what keeps the contract, and says of everything else what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.contract import Context, Ending, Outcome
from collectors.toolkit.scraping import BaseScraper
from collectors.toolkit.testing import NotRecorded, assert_contract, recorded
from collectors.toolkit.testing.odd_site import odd_site

APP = "tests.unit.sample"


class Page:
    natural_key = ("path",)


class Good(BaseScraper):
    model = Page

    def prepare_list(self) -> list[str]:
        return [f"{self.args['site']}/{name}" for name in ("one", "two", "three")]

    def collect(self, item: str) -> Iterator[dict[str, Any]]:
        yield {"path": self.request.get(item).text}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a site of which three pages were recorded."""
    monkeypatch.setenv("DC_TEST_RECORD", "1")
    with odd_site() as url:
        clients = recorded(tmp_path)
        for name in ("one", "two", "three"):
            clients.current().get(f"{url}/{name}")
        clients.close()
    monkeypatch.delenv("DC_TEST_RECORD")
    return url


def test_a_source_that_keeps_it_passes_and_its_rows_can_be_looked_at(tmp_path: Path, site: str) -> None:
    context = assert_contract(Good, tmp_path, app=APP, args={"site": site})

    assert context.records.rows(Page) == [{"path": "/one"}, {"path": "/two"}, {"path": "/three"}]


def test_the_first_run_is_recorded_when_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DC_TEST_RECORD", "1")
    with odd_site() as url:
        assert_contract(Good, tmp_path, app=APP, args={"site": url}, limit=2)
    monkeypatch.delenv("DC_TEST_RECORD")

    assert len(list(tmp_path.glob("*.answer.json"))) == 2
    assert len(assert_contract(Good, tmp_path, app=APP, args={"site": url}, limit=2).records.rows(Page)) == 2
    with pytest.raises(AssertionError, match=r"1 items fail\. .* is not among the answers"):
        assert_contract(Good, tmp_path, app=APP, args={"site": url})


def test_a_plain_main_is_held_to_it_too(tmp_path: Path, site: str) -> None:
    def main(context: Context) -> Outcome | None:
        if context.stop_requested:
            return Outcome(ending=Ending.STOPPED, complete=False)
        rows = [{"path": context.request.get(f"{site}/{name}").text} for name in ("one", "two")]
        context.records.merge(Page, rows[: context.limit], complete=context.limit is None)
        return None

    assert len(assert_contract(main, tmp_path, app=APP).records.rows(Page)) == 2


class Forgetful(Good):
    def store(self, rows: list[Any]) -> None:
        self.context.records.merge(Page, rows)


class Restless(Good):
    count = 0

    def collect(self, item: str) -> Iterator[dict[str, Any]]:
        type(self).count += 1
        yield {"path": self.request.get(item).text, "seen": self.count}


class Empty(Good):
    def collect(self, item: str) -> Iterator[dict[str, Any]]:
        yield from ()


class Lost(Good):
    def prepare_list(self) -> list[str]:
        return [str(self.request.get("https://elsewhere.example/").url)]


@pytest.mark.parametrize(
    ("source", "error", "complaint"),
    [
        (Forgetful, AssertionError, "limited to one item archives 2 rows that it did not look for"),
        (Restless, AssertionError, "A second run on the same pages changes 6 rows"),
        (Empty, AssertionError, "The run stores no row"),
        (Lost, NotRecorded, "elsewhere.example/ is not among the answers"),
    ],
)
def test_what_breaks_it_is_named(
    tmp_path: Path, site: str, source: type[Good], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        assert_contract(source, tmp_path, app=APP, args={"site": site})
