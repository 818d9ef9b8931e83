"""To the OpenID provider and back."""

from __future__ import annotations

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.accounts import audit, openid
from apps.accounts.address import client_address
from apps.accounts.addresses import own_address
from apps.accounts.openid_people import NotLetIn, person_of
from apps.accounts.signing_in import sign_in
from apps.accounts.throttle import wait_for
from apps.core.clock import utc_now

log = structlog.get_logger("accounts")
LEADS_TO = "openid_leads_to"
A_MINUTE = 30


@never_cache
@require_GET
def leave(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider. What comes back is bound to this session by state, nonce and PKCE."""
    if not openid.is_on():
        raise Http404
    if wait_for("openid", client_address(request.META) or "", limit=A_MINUTE):
        return _refused(request, _("Too many requests. Wait a minute."), 429)
    request.session[LEADS_TO] = own_address(request)
    try:
        return openid.leave_for_provider(request, request.build_absolute_uri(reverse("openid-back")))
    except openid.NotVouchedFor as error:
        log.warning("openid.failed", reason=str(error))
        return _refused(request, _("The provider does not answer. Try again in a minute."), 502)


@never_cache
@require_GET
def come_back(request: HttpRequest) -> HttpResponse:
    """Sign in whom the provider vouches for."""
    if not openid.is_on():
        raise Http404
    try:
        user = person_of(openid.claims_of(request), now=utc_now())
    except openid.NotVouchedFor as error:
        log.warning("openid.failed", reason=str(error))
        _write_down(str(error))
        return _refused(request, _("The provider did not confirm who you are. Go back and try again."), 403)
    except NotLetIn as error:
        _write_down(str(error))
        return _refused(request, str(error), 403)
    return sign_in(request, user, how="OpenID provider", leads_to=request.session.pop(LEADS_TO, ""), is_vouched=True)


def _write_down(reason: str) -> None:
    audit.record("login.failed", "somebody unknown", source=audit.ADMIN, now=utc_now(), how="openid", reason=reason)


def _refused(request: HttpRequest, reason: str, status: int) -> HttpResponse:
    return render(request, "accounts/openid_refused.html", {"reason": reason}, status=status)
