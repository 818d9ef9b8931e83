"""The admin site: Django's, with the theme, the home page and the list of tables."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.policy import may
from apps.core.clock import utc_now

if TYPE_CHECKING:
    _Site = AdminSite
else:
    from unfold.sites import UnfoldAdminSite as _Site


class ConsoleSite(_Site):
    """`django.contrib.admin.site` of this project."""

    index_title = "Home"
    index_template = "console/home.html"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The page of name and password."""
        # Models are not loaded yet when the site is made.
        from apps.accounts.forms import LoginForm
        from apps.accounts.models import User
        from apps.accounts.signing_in import signed_in

        self.login_form = LoginForm
        was = request.user
        response = super().login(request, extra_context)
        locked = getattr(request, "lockout", None)
        if locked is not None:
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        elif request.method == "POST" and request.user is not was and isinstance(request.user, User):
            signed_in(request, request.user, how="password", now=utc_now())
        return response

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # Models are not loaded yet when the site is made.
        from apps.console.log_viewer.views import log_viewer_urls

        return [
            path("live/", self.admin_view(require_safe(never_cache(self.home_live))), name="home_live"),
            path("tables/", self.admin_view(require_safe(self.tables)), name="tables"),
            *log_viewer_urls(self),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {**_home_context(request), **(extra_context or {})})

    def home_live(self, request: HttpRequest) -> HttpResponse:
        """The part of the home page that changes by itself."""
        context = _home_context(request)
        if context["home"] is None:
            raise PermissionDenied
        return TemplateResponse(request, "console/_home.html", context)

    def tables(self, request: HttpRequest) -> HttpResponse:
        """All tables of collected rows, by app."""
        from apps.console.tables import visible_tables

        context = {**self.each_context(request), "title": "Tables", "tables": visible_tables(request)}
        return TemplateResponse(request, "console/tables.html", context)


def _home_context(request: HttpRequest) -> dict[str, Any]:
    # Models are not loaded yet when the site is made.
    from apps.console.selectors import home_page

    if not may(request.user, "runtime.view_runtime"):
        return {"home": None}
    return {"home": home_page(now=utc_now(), asker=request.user)}
