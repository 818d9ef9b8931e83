"""One shelf of the demo shop. `manage.py up` sets it up with one that the shop does not have: something to repair."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import BaseModel, Field

from collectors.toolkit.errors import Blocker
from collectors.toolkit.scraping import BaseScraper

from .models import ShelfBook
from .parser import ShelfRow, parse_list


class Shelf(BaseScraper):
    """The list pages say enough; those books are kept that stand on the shelf."""

    model = ShelfBook
    allowed_networks = ("127.0.0.0/8", "::1")  # the platform that serves the shop

    class Args(BaseModel):
        base_url: str = Field(
            "http://127.0.0.1:8000/demo/", pattern=r"^https?://\S+$", description="First page of the catalogue."
        )
        category: str = Field("Poetry", min_length=1, description="The shelf, as the shop names it.")

    def prepare_list(self) -> list[ShelfRow]:
        books: list[ShelfRow] = []
        url: str | None = self.args.base_url
        while url:
            response = self.request.get(url)
            page = parse_list(response.content, str(response.url))
            books += page.books
            url = page.next_url
        found = [book for book in books if book.category == self.args.category]
        if not found:
            raise Blocker(self._what_to_do(sorted({book.category for book in books})))
        return found

    def collect(self, item: ShelfRow) -> Iterator[ShelfRow]:
        yield item

    def _what_to_do(self, shelves: list[str]) -> str:
        meant = get_close_matches(self.args.category, shelves, n=1, cutoff=0.0)
        return (
            f'The shop has no shelf "{self.args.category}": write {" or ".join(meant) or "one that it has"} into the '
            'argument "category" of this app, save, and enable the app again.'
        )
