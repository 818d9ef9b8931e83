"""The admin site: Django's, with the theme, the home page and the list of tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.addresses import own_address
from apps.accounts.policy import may
from apps.core.clock import utc_now
from apps.core.live import live_response

if TYPE_CHECKING:
    _Site = AdminSite
else:
    from unfold.sites import UnfoldAdminSite as _Site


class ConsoleSite(_Site):
    """`django.contrib.admin.site` of this project."""

    index_title = _("Home")
    index_template = "console/home.html"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The page of name and password."""
        # Models are not loaded yet when the site is made.
        from apps.accounts.forms import Known, LoginForm
        from apps.accounts.openid import label
        from apps.accounts.signing_in import sign_in

        self.login_form = LoginForm
        try:
            response = super().login(request, {"openid_label": label(), **(extra_context or {})})
        except Known as known:
            return sign_in(request, known.user, how="password", leads_to=own_address(request))
        if getattr(request, "lockout", None) is not None:
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        return response

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        # The theme would write its colours into every page; ours are in console/theme.css.
        return {**super().each_context(request), "colors": {}}

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's
        @wraps(view)
        def noted(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            # Models are not loaded yet when the site is made.
            from apps.console.first_steps import note_page

            response = view(request, *args, **kwargs)
            note_page(request, response)
            return response

        return super().admin_view(noted, cacheable)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # Models are not loaded yet when the site is made.
        from apps.console.first_steps import hide_steps
        from apps.console.list_pages import list_urls
        from apps.console.log_viewer.views import log_viewer_urls
        from apps.console.palette.views import palette_urls
        from apps.console.system_page import system_urls
        from apps.console.timeline.views import timeline_urls

        return [
            path("live/", self.admin_view(require_safe(never_cache(self.home_live))), name="home_live"),
            path("first-steps/hide/", self.admin_view(require_POST(hide_steps)), name="first_steps_hide"),
            path("tables/", self.admin_view(require_safe(self.tables)), name="tables"),
            *log_viewer_urls(self),
            *palette_urls(self),
            *list_urls(self),
            *system_urls(self),
            *timeline_urls(self),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {**_home_context(request, is_visit=True), **(extra_context or {})})

    def home_live(self, request: HttpRequest) -> HttpResponse:
        """The part of the home page that changes by itself."""
        context = _home_context(request, is_visit=False)
        if context["home"] is None:
            raise PermissionDenied
        return live_response(request, TemplateResponse(request, "console/_home.html", context))

    def tables(self, request: HttpRequest) -> HttpResponse:
        """All tables of collected rows, by app."""
        from apps.console.tables import visible_tables

        context = {**self.each_context(request), "title": _("Tables"), "tables": visible_tables(request)}
        return TemplateResponse(request, "console/tables.html", context)


def _home_context(request: HttpRequest, *, is_visit: bool) -> dict[str, Any]:
    # Models are not loaded yet when the site is made.
    from apps.accounts.models import User
    from apps.accounts.visits import note_visit
    from apps.console.first_steps import first_steps
    from apps.console.home import home_page

    person = request.user
    if not may(person, "runtime.view_runtime") or not isinstance(person, User):
        return {"home": None}
    now = utc_now()
    # A page that keeps itself up to date is no visit: only who opens it is there.
    since = note_visit(person, now=now) if is_visit else person.visited_before_at
    # The steps are read by who opens the page; what keeps itself up to date leaves them as they are.
    steps = first_steps(person, now=now) if is_visit else []
    done = sum(step.is_done for step in steps)
    return {"home": home_page(now=now, asker=person, since=since), "steps": steps, "steps_done": done}
