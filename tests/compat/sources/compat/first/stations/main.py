# NEVER EDIT THIS FILE. It was written against the first version of the contract of sources, and has to run unchanged
# for as long as that contract stands (tests/compat/README.md). If it fails, what broke it is what needs repair.
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from collectors.contract import Context, Record
from collectors.toolkit.errors import SkipItem
from collectors.toolkit.scraping import BaseScraper

from .models import Network, Station
from .parser import parse_countries, parse_stations


class Stations(BaseScraper):
    model = Station

    class Args(BaseModel):
        base_url: str
        skip: list[str] = Field(default_factory=list)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.found: dict[str, int] = {}

    def prepare_list(self) -> Iterator[str]:
        yield from parse_countries(self.request.get(self.args.base_url).content)

    def collect(self, item: str) -> Iterator[Record]:
        if item in self.args.skip:
            raise SkipItem(f"{item} is not wanted.")
        response = self.request.get(f"{self.args.base_url}{item}/", params={"all": "1"})
        self.log.info("country.fetched", country=item, status=response.status_code)
        for row in parse_stations(response.content, item):
            self.found[item] = self.found.get(item, 0) + 1
            yield row
        yield {"country": item, "code": "0", "name": "Head office", "is_open": False}
        yield Network(name=f"Network {item}", stations=self.found.get(item, 0))

    def store(self, rows: list[Any]) -> None:
        networks = [row for row in rows if isinstance(row, Network)]
        stations = [row for row in rows if not isinstance(row, Network)]
        self.context.records.merge(Network, networks, missing="keep")
        super().store(stations)

    def cleanup(self) -> None:
        self.log.info("stations.finished", dry_run=self.context.dry_run, complete=self.is_complete)
