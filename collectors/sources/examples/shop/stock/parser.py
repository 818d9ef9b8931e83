"""From the answers of the shop's API to rows. What an answer has to look like is a pydantic model."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from collectors.toolkit.errors import ParseError


@dataclass(frozen=True, slots=True)
class StockRow:
    """What one branch has of one book."""

    isbn: str
    branch: str
    title: str
    copies: int


class Entry(BaseModel):
    """A book in a list."""

    isbn: str
    detail: str
    """Where the rest of it is, relative to the list."""


class Page(BaseModel):
    """A page of the list."""

    books: list[Entry]
    next: str | None
    """The cursor of the page after it; None on the last."""


class _Branch(BaseModel):
    branch: str = Field(min_length=1)
    copies: int = Field(ge=0)


class _Book(BaseModel):
    isbn: str
    title: str
    stock: list[_Branch]


def parse_page(content: bytes) -> Page:
    """A page of the list. Raises `ParseError`."""
    try:
        return Page.model_validate_json(content)
    except ValidationError as error:
        raise ParseError(f"The list of books is not what it should be: {_told(error)}.") from None


def parse_book(content: bytes) -> list[StockRow]:
    """A row for each branch. Raises `ParseError`."""
    try:
        book = _Book.model_validate_json(content)
    except ValidationError as error:
        raise ParseError(f"The answer about a book is not what it should be: {_told(error)}.") from None
    return [StockRow(book.isbn, entry.branch, book.title, entry.copies) for entry in book.stock]


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "the answer"
    return f"{place}: {first['msg']}"
