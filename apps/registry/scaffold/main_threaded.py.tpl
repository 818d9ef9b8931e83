"""Collects $code.

It reads the demo shop that the platform serves itself, until you name another site.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field

from collectors.toolkit.scraping import ThreadedScraper

from .models import Item
from .parser import ItemRow, parse_item, parse_list


class $collector(ThreadedScraper):
    """Several items at once, each in one of a few threads; `self.request` is a client of its own in each."""

    model = Item
    workers = 5

    class Args(BaseModel):
        base_url: str = Field(
            "$site", pattern=r"^https?://\S+$$", description="The page that lists the items."
        )

    def prepare_list(self) -> list[str]:
        page = self.request.get(self.args.base_url)
        return parse_list(page.content, str(page.url))

    def collect(self, item: str) -> Iterator[ItemRow]:
        yield parse_item(self.request.get(item).content)
