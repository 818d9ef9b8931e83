"""Collects $code.

It reads the demo shop that the platform serves itself, until you name another site.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field

from collectors.toolkit.scraping import BaseScraper

from .models import Item
from .parser import ItemRow, parse_item, parse_list


class $collector(BaseScraper):
    """One item after the other; the model gets what `collect` yields."""

    model = Item

    class Args(BaseModel):
        base_url: str = Field(
            "$site", pattern=r"^https?://\S+$$", description="The page that lists the items."
        )

    def prepare_list(self) -> list[str]:
        page = self.request.get(self.args.base_url)
        return parse_list(page.content, str(page.url))

    def collect(self, item: str) -> Iterator[ItemRow]:
        yield parse_item(self.request.get(item).content)
