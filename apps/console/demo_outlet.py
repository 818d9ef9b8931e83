"""The outlet of the demo shop: a part of the site that is badly kept, to practise on what goes wrong."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string

from apps.console import demo

COPIES = 30
#: In every other second its page says that it is busy, and when to come back.
BUSY = 2
#: Its page was never finished.
UNFINISHED = 4
#: From here on everything has been sold, and nobody has told the list.
SOLD_FROM = 8


@demo.shown
def shelf(_request: HttpRequest) -> HttpResponse:
    """The list of the copies, those included that are gone."""
    copies = [(number, demo.address_of("demo:outlet-copy", str(number))) for number in range(1, COPIES + 1)]
    context = {"copies": copies, "moment": demo.now()}
    return HttpResponse(render_to_string("console/demo/outlet.html", context))


@demo.shown
def copy(_request: HttpRequest, number: int) -> HttpResponse:
    """One copy: some are fine, one is busy at times, one is unfinished, most are gone."""
    now = demo.now()
    if number == BUSY and now.second % 2 == 0:
        return HttpResponse("Busy.", status=503, headers={"Retry-After": "1"})
    if not 0 < number < SOLD_FROM:
        raise Http404("This copy has been sold.")
    book = demo.catalogue(now)[number]
    context = {"number": number, "book": book, "moment": now, "is_unfinished": number == UNFINISHED}
    return HttpResponse(render_to_string("console/demo/copy.html", context))
