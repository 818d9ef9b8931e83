"""The catalogue of the demo shop, which the platform itself serves at /demo/."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field

from collectors.toolkit.scraping import BaseScraper

from .models import Book
from .parser import BookRow, parse_book, parse_list


class Books(BaseScraper):
    """The list pages lead from one to the next and to the page of every book."""

    model = Book
    allowed_networks = ("127.0.0.0/8", "::1")  # the platform that serves the shop

    class Args(BaseModel):
        base_url: str = Field(
            "http://127.0.0.1:8000/demo/", pattern=r"^https?://\S+$", description="First page of the catalogue."
        )

    def prepare_list(self) -> list[str]:
        book_urls: list[str] = []
        url: str | None = self.args.base_url
        while url:
            response = self.request.get(url)
            page = parse_list(response.content, str(response.url))
            book_urls += page.book_urls
            url = page.next_url
        return book_urls

    def collect(self, item: str) -> Iterator[BookRow]:
        yield parse_book(self.request.get(item).content)
