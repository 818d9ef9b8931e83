"""The trade desk of the demo shop: prices that only somebody who has signed in sees.

User and password stand on the page. The form holds a token, as forms do that guard themselves against forgery; who
signs in gets a cookie for ten minutes. Both are signed, nothing is stored, and neither has anything to do with the
accounts of the platform.
"""

from __future__ import annotations

from decimal import Decimal

from django.core import signing
from django.core.paginator import EmptyPage, PageNotAnInteger, Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.console import demo

USER = "reader"
PASSWORD = "demo"  # noqa: S105 - printed on the page of the login, for everybody
COOKIE = "demo_trade"
LASTS_S = 600
PAGE_SIZE = 40
DISCOUNT = Decimal("0.70")


@demo.shown
def prices(request: HttpRequest) -> HttpResponse:
    """`?page=`: forty books at trade prices; who has not signed in is sent to the form."""
    if not _has_signed_in(request):
        return HttpResponseRedirect(reverse("demo:trade-login"))
    minute = demo.minute_asked_for(request)
    try:
        page = Paginator(demo.catalogue(demo.moment_of(minute)), PAGE_SIZE).page(request.GET.get("page", "1"))
    except (PageNotAnInteger, EmptyPage):
        raise Http404("The trade list has no such page.") from None
    context = {
        "rows": [(book, (book.price * DISCOUNT).quantize(Decimal("0.01"))) for book in page],
        "pages": [demo.address_of("demo:trade", page=number, at=minute) for number in page.paginator.page_range],
        "moment": demo.moment_of(minute),
    }
    return _private(HttpResponse(render_to_string("console/demo/trade.html", context)))


# The form has a token of its own, and what is behind it is the same for everybody who can read.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """The form. A wrong password gets it again, with the status 200, as on most sites."""
    if request.method == "POST":
        if not _is_signed(request.POST.get("token", ""), "form"):
            return _private(_form("The form is too old. Please try again.", status=400))
        given = request.POST.get("user", ""), request.POST.get("password", "")
        if constant_time_compare("\n".join(given), f"{USER}\n{PASSWORD}"):
            response = HttpResponse(status=303, headers={"Location": reverse("demo:trade")})
            response.set_cookie(
                COOKIE, _sign("session"), max_age=LASTS_S, path="/demo/", httponly=True, samesite="Lax",
                secure=request.is_secure(),
            )  # fmt: skip
            return _private(response)
        return _private(_form("User or password are wrong."))
    return _private(_form(""))


def _form(complaint: str, *, status: int = 200) -> HttpResponse:
    context = {
        "complaint": complaint,
        "token": _sign("form"),
        "user": USER,
        "password": PASSWORD,
        "moment": demo.now(),
    }
    return HttpResponse(render_to_string("console/demo/login.html", context), status=status)


def _has_signed_in(request: HttpRequest) -> bool:
    return _is_signed(request.COOKIES.get(COOKIE, ""), "session")


def _sign(what: str) -> str:
    return signing.dumps(what, salt="apps.console.demo_trade")


def _is_signed(value: str, what: str) -> bool:
    try:
        return bool(signing.loads(value, salt="apps.console.demo_trade", max_age=LASTS_S) == what)
    except signing.BadSignature:
        return False


def _private(response: HttpResponse) -> HttpResponse:
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "no-store"
    return response
