# NEVER EDIT THIS FILE. It was written against the first version of the contract of sources, and has to run unchanged
# for as long as that contract stands (tests/compat/README.md). If it fails, what broke it is what needs repair.
from __future__ import annotations

from datetime import UTC, datetime

from collectors.contract import Outcome
from collectors.toolkit.scraping import BaseScraper


class Ferries(BaseScraper):
    def prepare_list(self) -> list[str]:
        return ["Split", "Zadar"]

    def collect(self, item: str) -> list[object]:
        self.log.info("port.seen", port=item)
        return []

    def store(self, rows: list[object]) -> None:
        pass

    def set_next_run(self, outcome: Outcome) -> datetime | None:
        return datetime(2030, 5, 17, 4, 30, tzinfo=UTC) if outcome.complete else None
