"""Takes its time over each item, and looks whether it should stop only between items."""

import time
from pathlib import Path

from pydantic import BaseModel

from collectors.contract import Record
from collectors.toolkit.scraping import BaseScraper


class Slow(BaseScraper):
    class Args(BaseModel):
        seconds: float = 0.05
        items: int = 1000
        until: Path | None = None
        """Each item takes until this file is there."""

    def prepare_list(self) -> range:
        return range(self.args.items)

    def collect(self, item: int) -> list[Record]:
        self.log.info("item.collected", number=item)
        time.sleep(self.args.seconds)
        while self.args.until and not self.args.until.exists():
            time.sleep(0.02)
        return []

    def store(self, rows: list[Record]) -> None:
        self.log.info("rows.stored", count=len(rows))
