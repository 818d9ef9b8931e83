"""The demo shop as programs see it: JSON, in pages that a cursor leads through."""

from __future__ import annotations

import base64
import binascii

from django.http import HttpRequest, JsonResponse

from apps.console import demo

PAGE_SIZE = 25
BRANCHES = ("Harbour Street", "Old Mill", "Station")


@demo.shown
def book_list(request: HttpRequest) -> JsonResponse:
    """`?cursor=`: 25 books from there on. `next` is the cursor of the page after it, null on the last."""
    try:
        minute, first = _read(request.GET["cursor"]) if "cursor" in request.GET else (_this_minute(), 0)
    except ValueError:
        return JsonResponse({"error": "This cursor leads nowhere; begin without one."}, status=400)
    books = demo.catalogue(demo.moment_of(minute))
    following = first + PAGE_SIZE
    return JsonResponse({
        "books": [
            {
                "isbn": book.isbn,
                "title": book.title,
                "price": {"amount": str(book.price), "currency": "EUR"},
                "detail": demo.address_of("demo:api-book", book.isbn, at=minute),
            }
            for book in books[first:following]
        ],
        "next": _written(minute, following) if following < len(books) else None,
    })  # fmt: skip


@demo.shown
def book(request: HttpRequest, isbn: str) -> JsonResponse:
    """One book, and how many copies each branch has. `?at=` is the minute, now if there is none."""
    minute = demo.minute_asked_for(request)
    found = next((book for book in demo.catalogue(demo.moment_of(minute)) if book.isbn == isbn), None)
    if found is None:
        return JsonResponse({"error": "The shop does not have this book."}, status=404)
    stock = [{"branch": branch, "copies": copies} for branch, copies in zip(BRANCHES, _shared(found), strict=True)]
    return JsonResponse({"isbn": found.isbn, "title": found.title, "stock": stock})


def _shared(book: demo.Book) -> list[int]:
    """The stock of a book, shared among the branches."""
    first = book.stock // 2
    second = (book.stock - first) // 2
    return [first, second, book.stock - first - second]


def _this_minute() -> int:
    return demo.minute_of(demo.now())


def _written(minute: int, first: int) -> str:
    return base64.urlsafe_b64encode(f"{minute}:{first}".encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[int, int]:
    """Minute and place. Raises `ValueError`."""
    try:
        minute, first = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").split(":")
        found = int(minute), int(first)
    except (binascii.Error, UnicodeError) as error:
        raise ValueError(cursor) from error
    oldest = _this_minute() - int(demo.MEMORY.total_seconds() // 60)
    if not (oldest <= found[0] <= _this_minute() and found[1] >= 0):
        raise ValueError(cursor)
    return found
