"""In which language people are answered: the one they chose, else the one their browser asks for, else `DC_LANGUAGE`.

Programs are answered in English, and what is stored is English (docs/translating.md).
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.http import require_POST

from apps.accounts.models import User
from apps.accounts.services import set_language
from apps.core.clock import utc_now

#: Answered to programs.
FOR_PROGRAMS = ("/api/", "/oauth/token/", "/oauth/revoke/", "/metrics")


class LanguageMiddleware(MiddlewareMixin):
    """Django's own knows nothing of the person."""

    def process_request(self, request: HttpRequest) -> None:
        language = language_of(request)
        translation.activate(language)
        request.LANGUAGE_CODE = language

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        language = getattr(request, "LANGUAGE_CODE", settings.LANGUAGE_CODE)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ("Accept-Language",))
        translation.deactivate()
        return response


def language_of(request: HttpRequest) -> str:
    """Whom to answer how."""
    if request.path_info.startswith(FOR_PROGRAMS):
        return settings.LANGUAGE_CODE
    chosen: str = getattr(request.user, "language", "")
    return chosen or _of_browser(request.headers.get("Accept-Language", "")) or settings.DC_LANGUAGE


def _of_browser(header: str) -> str:
    """The first of ours that the browser names, in any of its variants; empty, if it names none."""
    ours = dict(settings.LANGUAGES)
    named = (code.partition("-")[0] for code, _weight in parse_accept_lang_header(header.lower()))
    return next((code for code in named if code in ours), "")


def offered(request: HttpRequest) -> list[dict[str, Any]]:
    """The switch in the menu of the person, each language in its own words."""
    chosen = getattr(request.user, "language", "")
    return [
        {"code": code, "name_local": name, "is_chosen": code == chosen}
        for code, name in [*settings.LANGUAGES, ("", _("As the browser asks"))]
    ]


@require_POST
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    """The switch: remember the choice, and show the same page again."""
    language = request.POST.get("language", "")
    if language not in ("", *dict(settings.LANGUAGES)):
        return HttpResponseBadRequest()
    set_language(user=User.objects.get(username=request.user.get_username()), language=language, now=utc_now())
    back = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = reverse("admin:index")
    return redirect(back)
