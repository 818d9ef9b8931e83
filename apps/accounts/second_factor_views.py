"""The pages of the second factor: on the way in, and one's own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import user_passes_test
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts import audit, second_factor
from apps.accounts.lockout import Locked
from apps.accounts.models import User
from apps.accounts.second_factor import WrongCode
from apps.accounts.signing_in import go_on, half_way
from apps.core.clock import utc_now

TRY_AGAIN = {WrongCode: HTTPStatus.FORBIDDEN, Locked: HTTPStatus.TOO_MANY_REQUESTS}


@never_cache
@csrf_protect
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def step(request: HttpRequest) -> HttpResponse:
    """The second step of signing in. Who needs a second factor and has none sets it up here, before they are in."""
    user = half_way(request)
    if user is None:
        return redirect("admin:login")
    if second_factor.of(user) is None:
        return _set_up(request, user, leads_to="")
    if request.method != "POST":
        return render(request, "accounts/second_factor.html")
    try:
        second_factor.check(user=user, code=request.POST.get("code", ""), now=utc_now())
    except (WrongCode, Locked) as error:
        return render(request, "accounts/second_factor.html", {"error": error}, status=TRY_AGAIN[type(error)])
    return redirect(go_on(request, user))


@never_cache
@csrf_protect
@sensitive_post_parameters("code")
@user_passes_test(lambda user: user.is_active and getattr(user, "is_staff", False), login_url="admin:login")
@require_http_methods(["GET", "HEAD", "POST"])
def own(request: HttpRequest) -> HttpResponse:
    """One's own: set up, new codes for paper, removed. Each but the first asks for a code."""
    user: Any = request.user
    if second_factor.of(user) is None:
        return _set_up(request, user, leads_to=reverse("own-second-factor"))
    shown: dict[str, Any] = {"factor": second_factor.of(user), "is_required": second_factor.is_required(user)}
    wanted = request.POST.get("wanted")
    if request.method != "POST" or (wanted == "remove" and shown["is_required"]):
        return render(request, "accounts/second_factor_own.html", shown)
    try:
        second_factor.check(user=user, code=request.POST.get("code", ""), now=utc_now())
    except (WrongCode, Locked) as error:
        return render(
            request, "accounts/second_factor_own.html", {**shown, "error": error}, status=TRY_AGAIN[type(error)]
        )
    if wanted == "remove":
        second_factor.remove(user=user, actor=user, source=audit.ADMIN, now=utc_now())
        return redirect("admin:index")
    codes = second_factor.renew_codes(user=user, now=utc_now())
    return _codes(request, codes, reverse("own-second-factor"))


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """What stands in the menu at a person's name."""
    user: Any = request.user
    if not user.is_authenticated:
        return []
    links = [{"title": _("Second factor"), "link": reverse("own-second-factor")}]
    if user.has_usable_password():
        links.insert(0, {"title": _("Change password"), "link": reverse("admin:password_change")})
    return links


def _set_up(request: HttpRequest, user: User, *, leads_to: str) -> HttpResponse:
    factor = second_factor.prepare(user=user)
    shown: dict[str, Any] = {"picture": second_factor.picture(factor), "secret": factor.secret}
    if request.method != "POST":
        return render(request, "accounts/second_factor_setup.html", shown)
    try:
        codes = second_factor.confirm(user=user, code=request.POST.get("code", ""), now=utc_now())
    except (WrongCode, Locked) as error:
        return render(
            request, "accounts/second_factor_setup.html", {**shown, "error": error}, status=TRY_AGAIN[type(error)]
        )
    return _codes(request, codes, leads_to or go_on(request, user))


def _codes(request: HttpRequest, codes: list[str], leads_to: str) -> HttpResponse:
    return render(request, "accounts/second_factor_codes.html", {"codes": codes, "leads_to": leads_to})
