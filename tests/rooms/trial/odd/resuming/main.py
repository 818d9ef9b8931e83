"""Goes on with its list; dies by SIGKILL at the item that the environment names."""

import os
import signal
from pathlib import Path

from pydantic import BaseModel

from collectors.contract import Record
from collectors.toolkit.scraping import BaseScraper


class Resuming(BaseScraper):
    resume = True
    store_every = 5

    class Args(BaseModel):
        items: int = 40
        file: Path
        """Every item that is stored is written here, a line each."""

    def prepare_list(self) -> range:
        return range(self.args.items)

    def collect(self, item: int) -> list[Record]:
        if str(item) == os.environ.get("DC_TEST_DIES_AT"):
            os.kill(os.getpid(), signal.SIGKILL)
        return [{"number": item}]

    def store(self, rows: list[Record]) -> None:
        with self.args.file.open("a") as file:
            file.writelines(f"{row['number']}\n" for row in rows)
