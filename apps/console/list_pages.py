"""What the tools above a list post: views are kept, renamed, shared and deleted; columns are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.models import SavedView
from apps.accounts.preferences import prefer, prefer_columns
from apps.accounts.saved_views import BadView, change, keep

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite


def list_urls(site: AdminSite) -> list[URLPattern]:
    """Addresses of the tools above lists."""
    return [
        path("views/", site.admin_view(require_POST(keep_view)), name="views_keep"),
        path("views/<int:number>/", site.admin_view(require_POST(change_view)), name="views_change"),
        path("columns/", site.admin_view(require_POST(columns_view)), name="columns"),
    ]


def keep_view(request: HttpRequest) -> HttpResponse:
    """Keep what one sees under a name."""
    page, user = _page(request, request.POST.get("place", "")), _user(request)
    query = request.POST.get("query", "")
    try:
        view = keep(
            *(user, page.opts.label_lower),
            name=request.POST.get("name", ""),
            query=query,
            is_shared="shared" in request.POST,
            is_default="default" in request.POST,
        )
    except BadView as error:
        messages.error(request, str(error))
        return redirect(_address(page, query))
    messages.success(request, _("Kept as %(name)s.") % {"name": view.name})
    return redirect(_address(page, view.query))


def change_view(request: HttpRequest, number: int) -> HttpResponse:
    """Rename, share, open the list with it, or delete it."""
    user = _user(request)
    view = SavedView.objects.filter(pk=number).first()
    if view is None or not (view.is_shared or view.owner_id == user.pk):
        raise Http404(_("There is no such view."))
    page = _page(request, view.place)
    if request.POST.get("do") == "delete":
        if view.owner_id != user.pk and not user.is_superuser:
            raise PermissionDenied
        view.delete()
        messages.success(request, _("%(name)s is deleted.") % {"name": view.name})
        return redirect(_address(page, ""))
    try:
        change(
            *(view, user),
            name=request.POST.get("name", view.name),
            is_shared="shared" in request.POST,
            is_default="default" in request.POST,
        )
    except BadView as error:
        messages.error(request, str(error))
    return redirect(_address(page, view.query))


def columns_view(request: HttpRequest) -> HttpResponse:
    """Which columns a list shows, and how close its rows are."""
    page, user = _page(request, request.POST.get("place", "")), _user(request)
    shows = set(request.POST.getlist("column"))
    prefer_columns(user, page.opts.label_lower, [name for name in request.POST.getlist("known") if name not in shows])
    prefer(user, {"density": request.POST.get("density", "")})
    return redirect(_address(page, request.POST.get("query", "")))


def _user(request: HttpRequest) -> Any:
    return request.user  # a User: admin_view lets nobody else in


def _page(request: HttpRequest, place: str) -> Any:
    """The admin page of a list that this person may look at."""
    for model, page in admin.site._registry.items():
        if model._meta.label_lower == place:
            if not page.has_view_permission(request):
                raise PermissionDenied
            return page
    raise Http404(_("There is no such list."))


def _address(page: Any, query: str) -> str:
    address = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    # Without this the list would open with the view that is the default.
    return f"{address}?{query or urlencode({'view': 'all'})}"
