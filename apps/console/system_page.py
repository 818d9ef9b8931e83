"""The System page: every part of the platform, how it is, and what to do about it."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.policy import everywhere
from apps.core.live import live_response
from apps.runtime.system import read_system

VIEW = "runtime.view_node"


def system_urls(site: AdminSite) -> list[URLPattern]:
    """The page and the part of it that changes by itself."""

    @require_safe
    @never_cache
    def page(request: HttpRequest) -> HttpResponse:
        _check(request)
        context = {**site.each_context(request), "title": _("System"), "system": read_system()}
        return TemplateResponse(request, "console/system.html", context)

    @require_safe
    @never_cache
    def live(request: HttpRequest) -> HttpResponse:
        _check(request)
        return live_response(request, TemplateResponse(request, "console/_system.html", {"system": read_system()}))

    return [
        path("system/", site.admin_view(page), name="system"),
        path("system/live/", site.admin_view(live), name="system_live"),
    ]


def _check(request: HttpRequest) -> None:
    if not everywhere(request.user, VIEW):
        raise PermissionDenied
