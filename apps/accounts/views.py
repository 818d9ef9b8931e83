"""The page behind a login link."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from apps.accounts.services import LoginLinkRefused, redeem_login_link
from apps.accounts.signing_in import sign_in
from apps.core.clock import utc_now


@sensitive_variables("token")
@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def login_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, whatever the token: mail scanners and previews open links, and must not use them up."""
    if request.method != "POST":
        return _private(render(request, "accounts/login_link.html"))
    try:
        user = redeem_login_link(token=token, now=utc_now())
    except LoginLinkRefused:
        return _private(render(request, "accounts/login_link_refused.html", status=410))
    return _private(sign_in(request, user, how="login link"))


def _private(response: HttpResponse) -> HttpResponse:
    # Not "no-referrer": under it a browser sends "Origin: null" with the form, and the CSRF check refuses its own page.
    # "same-origin" tells other sites nothing either.
    response["Referrer-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
