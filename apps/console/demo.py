"""A small bookshop to collect from, served at /demo/ where `DC_DEMO_SITE` is on.

Its catalogue is computed from the minute, nothing is stored: each minute one book in twenty has a new price, two books
leave and two new ones arrive. The links of a page name the minute it was made for, so that whoever follows them sees
one catalogue from the first page to the last book, however long it takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, wraps
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import EmptyPage, PageNotAnInteger, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.core.clock import utc_now

LASTING = 110
"""Books that stay, with prices that change."""
ARRIVALS = 10
"""Books that come and go."""
ARRIVALS_PER_MINUTE = 2
PRICE_LASTS_MINUTES = 20
PAGE_SIZE = 20
MEMORY = timedelta(hours=1)
"""For how long the links of a page work."""

SUBJECTS = (
    "Lighthouse", "Orchard", "Clockmaker", "Harbour", "Archive", "Glacier", "Cartographer", "Observatory", "Beekeeper",
    "Railway", "Lantern", "Estuary", "Translator", "Foundry", "Meadow", "Signal", "Voyage", "Library", "Tide", "Bridge",
)  # fmt: skip
SETTINGS = (
    "at the End of Winter", "of Small Things", "in the North", "without Doors", "after Midnight", "by the River",
    "and Other Stories", "of Quiet Numbers", "on the Hill", "between Two Wars", "in Seven Letters", "under Glass",
)  # fmt: skip
FIRST_NAMES = ("Ada", "Bruno", "Clara", "Davor", "Elif", "Farid", "Greta", "Hana", "Ivo", "Jelena", "Kofi", "Lucía")
LAST_NAMES = ("Ashdown", "Berić", "Castell", "Duarte", "Eriksen", "Fontaine", "Grgić", "Hoshino", "Ivers", "Jansen")
CATEGORIES = ("Fiction", "History", "Science", "Travel", "Poetry", "Cooking", "Children", "Art")


@dataclass(frozen=True, slots=True)
class Book:
    """One book as the shop offers it at a moment."""

    isbn: str
    title: str
    author: str
    category: str
    price: Decimal
    """In euros."""
    stock: int


def catalogue(moment: datetime) -> list[Book]:
    """All books on offer at `moment`. The same minute gives the same books, in the same order, on every machine."""
    return list(_catalogue(minute_of(moment)))


def now() -> datetime:
    """The time by the clock of the shop."""
    return utc_now()


def minute_of(moment: datetime) -> int:
    """Whole minutes since 1970, by which the shop counts."""
    return int(moment.timestamp() // 60)


@lru_cache(maxsize=8)
def _catalogue(minute: int) -> tuple[Book, ...]:
    newest = LASTING + (minute + 1) * ARRIVALS_PER_MINUTE
    numbers = [*range(LASTING), *range(newest - ARRIVALS, newest)]
    return tuple(sorted((_book(number, minute) for number in numbers), key=lambda book: (book.title, book.isbn)))


def _book(number: int, minute: int) -> Book:
    # Each book has its own minute in which its price changes, so that the changes spread evenly.
    age = (minute + number) // PRICE_LASTS_MINUTES
    # The last digit follows the age: two prices in a row are never equal.
    cents = 495 + _dice(number, "price") % 3500 // 10 * 10 + _dice(number, age) % 20 * 10 + age % 2 * 4
    return Book(
        isbn=isbn13(number),
        title=_title(number),
        author=f"{_pick(FIRST_NAMES, number)} {_pick(LAST_NAMES, number)}",
        category=_pick(CATEGORIES, number),
        price=Decimal(cents).scaleb(-2),
        stock=_dice(number, f"stock {age}") % 40,
    )


def _title(number: int) -> str:
    """Different for any 240 numbers in a row."""
    setting, subject = divmod(number * 97 % (len(SUBJECTS) * len(SETTINGS)), len(SUBJECTS))
    return f"The {SUBJECTS[subject]} {SETTINGS[setting]}"


def isbn13(number: int) -> str:
    """An ISBN-13 with its check digit; different numbers below 10**9 give different ones."""
    # Multiplying by something prime to 10 shuffles the nine digits without a collision.
    digits = f"978{number * 387_420_489 % 10**9:09d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _dice(*what: object) -> int:
    """A number that looks random and is the same everywhere, always."""
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:8])


def _pick(choices: tuple[str, ...], number: int) -> str:
    return choices[_dice(number, choices[0]) % len(choices)]


# -- Pages ------------------------------------------------------------------------------------------------------------

View = Callable[..., HttpResponse]


def shown(view: View) -> View:
    """Read only, and not for search engines."""

    @require_safe
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["X-Robots-Tag"] = "noindex"
        return response

    return wrapper


@shown
def book_list(request: HttpRequest) -> HttpResponse:
    """`?page=`: twenty books. `?at=`: the minute, now if there is none."""
    minute = minute_asked_for(request)
    try:
        page = Paginator(_catalogue(minute), PAGE_SIZE).page(request.GET.get("page", "1"))
    except (PageNotAnInteger, EmptyPage):
        raise Http404("The catalogue has no such page.") from None
    context = {
        "page": page,
        "books": [(book, address_of("demo:book", book.isbn, at=minute)) for book in page],
        "previous": _list_address(minute, page.number - 1) if page.has_previous() else "",
        "next": _list_address(minute, page.number + 1) if page.has_next() else "",
        "moment": moment_of(minute),
    }
    return HttpResponse(render_to_string("console/demo/list.html", context))


@shown
def book(request: HttpRequest, isbn: str) -> HttpResponse:
    """One book. `?at=` as above."""
    minute = minute_asked_for(request)
    found = next((book for book in _catalogue(minute) if book.isbn == isbn), None)
    if found is None:
        raise Http404("The shop does not have this book.")
    context = {"book": found, "back": _list_address(minute, 1), "moment": moment_of(minute)}
    return HttpResponse(render_to_string("console/demo/book.html", context))


def minute_asked_for(request: HttpRequest) -> int:
    """The minute of `?at=`, now if there is none. Raises `Http404`."""
    latest = minute_of(now())
    asked = request.GET.get("at", str(latest))
    oldest = latest - int(MEMORY.total_seconds() // 60)
    if not (asked.isascii() and asked.isdigit() and len(asked) < 12 and oldest <= int(asked) <= latest):
        raise Http404("The shop has no catalogue of that minute.")
    return int(asked)


def moment_of(minute: int) -> datetime:
    """When it begins."""
    return datetime.fromtimestamp(minute * 60, tz=UTC)


def _list_address(minute: int, page: int) -> str:
    return address_of("demo:list", page=page, at=minute)


def address_of(name: str, *args: str, **query: int | str) -> str:
    """The path of a page of the shop."""
    return reverse(name, args=args) + (f"?{urlencode(query)}" if query else "")
