"""Lists with tools above them: views that people keep, columns and density as each prefers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.accounts.list_tools import hidden_columns, tools_of
from apps.accounts.saved_views import Shown, default_view, shown, views_of


class ListTools:
    """For admin classes, in front of their base."""

    #: Whether people keep views of this list; they are looked up with each page of it.
    keeps_views = False
    opts: Any

    def all_columns(self, request: HttpRequest) -> Sequence[Any]:
        """Every column, those included that a person does not want to see."""
        columns: Sequence[Any] = super().get_list_display(request)  # type: ignore[misc]
        return columns

    def get_list_display(self, request: HttpRequest) -> Any:
        hidden = hidden_columns(request.user, self.opts.label_lower)
        first, *others = self.all_columns(request)
        return [first, *(name for name in others if name not in hidden)]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        views: list[Shown] = []
        if self.keeps_views:
            known, place = views_of(request.user, self.opts.label_lower), self.opts.label_lower
            default = default_view(request.user, known, place)
            if default is not None and not request.GET and request.method == "GET":
                return HttpResponseRedirect(f"{request.path}?{default.query}")
            views = shown(request.user, known, place, request.GET.urlencode())
        if "view" in request.GET:
            # It says that everything is wanted, whatever the list opens with; Django would take it for a filter.
            query = request.GET.copy()
            del query["view"]
            request.GET = query  # type: ignore[assignment]
        context = {"list_tools": tools_of(self, request, views), **(extra_context or {})}
        page: HttpResponse = super().changelist_view(request, context)  # type: ignore[misc]
        return page
