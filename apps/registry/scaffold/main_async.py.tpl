"""Collects $code.

It reads the demo shop that the platform serves itself, until you name another site.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from collectors.toolkit.scraping import AsyncScraper

from .models import Item
from .parser import ItemRow, parse_item, parse_list


class $collector(AsyncScraper):
    """Many items at once in one event loop; `collect` must await whatever takes time."""

    model = Item
    concurrency = 10

    class Args(BaseModel):
        base_url: str = Field(
            "$site", pattern=r"^https?://\S+$$", description="The page that lists the items."
        )

    def prepare_list(self) -> list[str]:
        page = self.request.get(self.args.base_url)
        return parse_list(page.content, str(page.url))

    async def collect(self, item: str) -> list[ItemRow]:
        page = await self.request.aget(item)
        return [parse_item(page.content)]
