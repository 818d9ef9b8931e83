"""Parts of pages that change by themselves: how they are answered, and lists that are such parts."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils import timezone

from apps.core.clock import utc_now

if TYPE_CHECKING:

    class _Page:
        """What stands behind it: a `ModelAdmin`, of whatever model."""

        change_list_template: Any

        def changelist_view(
            self, request: HttpRequest, extra_context: dict[str, Any] | None = None
        ) -> HttpResponse: ...

else:
    _Page = object

#: The header by which a page asks for a part of itself. A page that is left open is nobody at work.
HEADER = "X-Live"

#: What is another text each time although nothing changed: tokens of forms, and the moment of the look.
_PASSING = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"|<p[^>]*data-live-asof[^>]*>.*?</p>', re.DOTALL)


def live_response(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The part as it is now; 304 for a page that shows just that, with the moment at which it was true.

    The permission was checked and the rows were read either way: what is saved is the answer, and the page its work.
    """
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    if response.status_code != 200:
        return response
    name = f'"{blake2b(_PASSING.sub("", response.text).encode(), digest_size=16).hexdigest()}"'
    if request.headers.get("If-None-Match") == name:
        response = HttpResponse(status=304)
    response["ETag"] = name
    response["X-As-Of"] = f"{timezone.localtime(utc_now()):%H:%M:%S}"
    return response


class LiveList(_Page):
    """A list that follows what happens; goes before the base class of the admin page.

    While rows are chosen the list stands still. `live_topic` is one of `apps/console/dashboard/topics.py`.
    """

    live_topic = ""
    change_list_template: Any = "core/live_list.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"live_topic": self.live_topic, "measured_at": utc_now(), **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        if request.method == "GET" and HEADER in request.headers and isinstance(response, SimpleTemplateResponse):
            response.template_name = "core/_live_list.html"
            return live_response(request, response)
        return response
