"""The addresses of the palette, and of what a person prefers. Nothing is done by GET."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.policy import may, narrow
from apps.accounts.preferences import prefer
from apps.console.palette.acting import NotAllowed, act, told
from apps.console.palette.finding import offered
from apps.registry.models import App
from apps.runtime.models import Command
from apps.runtime.services import KeyIsTaken

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite


def palette_urls(site: AdminSite) -> list[URLPattern]:
    """Those of the palette; the first takes the place of the theme's own search."""
    return [
        path("search/", site.admin_view(require_safe(never_cache(search))), name="search"),
        path("palette/act/", site.admin_view(require_POST(act_view)), name="palette_act"),
        path(
            "palette/command/<int:number>/",
            site.admin_view(require_safe(never_cache(command_view))),
            name="palette_command",
        ),
        path("preferences/", site.admin_view(require_POST(preferences_view)), name="preferences"),
    ]


def search(request: HttpRequest) -> HttpResponse:
    """The lines for what was typed so far."""
    recent = request.GET.get("recent", "")[:2_000].split(",")
    options = offered(request, request.GET.get("s", ""), filter(None, recent))
    return TemplateResponse(request, "console/palette/options.html", {"options": options})


def act_view(request: HttpRequest) -> HttpResponse:
    """One verb for one app."""
    if not may(request.user, "registry.view_app"):
        raise PermissionDenied
    number, verb = request.POST.get("app", ""), request.POST.get("verb", "")
    visible = narrow(request.user, "registry.view_app", App.objects.all())
    app = visible.filter(pk=int(number)).first() if number.isdigit() and len(number) < 18 else None
    if app is None or verb not in Command.Verb.values:
        raise Http404(_("There is no such app, or no such thing to do."))
    try:
        command = act(request, app, Command.Verb(verb), request.POST.get("key", "")[:36])
    except NotAllowed:
        refused = {"step": "refused", "text": _("You may not do this with this app."), "links": [], "poll": ""}
        return JsonResponse(refused, status=HTTPStatus.FORBIDDEN)
    except KeyIsTaken as error:
        refused = {"step": "refused", "text": str(error), "links": [], "poll": ""}
        return JsonResponse(refused, status=HTTPStatus.CONFLICT)
    return JsonResponse(told(command))


def command_view(request: HttpRequest, number: int) -> HttpResponse:
    """How far a command is."""
    seen = narrow(request.user, "runtime.view_command", Command.objects.select_related("app"))
    command = seen.filter(pk=number).first()
    if command is None:
        raise Http404(_("There is no such command."))
    return JsonResponse(told(command))


def preferences_view(request: HttpRequest) -> HttpResponse:
    """What a person prefers, kept with them: in every browser the same."""
    user: Any = request.user  # a User: admin_view lets nobody else in
    prefer(user, request.POST.dict())
    return HttpResponse(status=HTTPStatus.NO_CONTENT)
