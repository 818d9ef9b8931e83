"""The stock of every branch of the demo shop, from its JSON API."""

from __future__ import annotations

from urllib.parse import urljoin

from pydantic import BaseModel, Field

from collectors.toolkit.scraping import AsyncScraper

from .models import BranchStock
from .parser import StockRow, parse_book, parse_page


class Stock(AsyncScraper):
    """A cursor leads through the list; the books on it are asked for ten at a time, in one event loop."""

    model = BranchStock
    concurrency = 10
    allowed_networks = ("127.0.0.0/8", "::1")  # the platform that serves the shop

    class Args(BaseModel):
        base_url: str = Field(
            "http://127.0.0.1:8000/demo/", pattern=r"^https?://\S+$", description="First page of the shop."
        )

    def prepare_list(self) -> list[str]:
        # Read to its end before the event loop begins: a request that is made plainly would hold up all the others.
        url, cursor = urljoin(self.args.base_url, "api/books"), None
        books: list[str] = []
        while True:
            response = self.request.get(url, params={"cursor": cursor} if cursor else {})
            page = parse_page(response.content)
            books += [urljoin(url, entry.detail) for entry in page.books]
            cursor = page.next
            if cursor is None:
                return books

    async def collect(self, item: str) -> list[StockRow]:
        response = await self.request.aget(item)
        return parse_book(response.content)
