"""What the command palette finds besides pages. Bounded: the theme's own search would load every run that matches."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from apps.accounts.policy import may, narrow
from apps.registry.models import App
from apps.runtime.models import Runtime

APPS, RUNS = 20, 10
LEAST_OF_AN_ID = 4


def palette(request: HttpRequest, term: str) -> list[SearchResult]:
    """Apps by words of their code, and runs by the beginning of their id, as far as this person may see them."""
    found = []
    if may(request.user, "registry.view_app"):
        apps = narrow(request.user, "registry.view_app", App.objects.filter(code__icontains=term))
        found += [
            SearchResult(
                title=app.code,
                description="enabled" if app.is_enabled else "disabled",
                link=reverse("admin:registry_app_change", args=[app.pk]),
                icon="apps",
            )
            for app in apps[:APPS]
        ]
    if len(term) >= LEAST_OF_AN_ID and may(request.user, "runtime.view_runtime"):
        runs = narrow(request.user, "runtime.view_runtime", Runtime.objects.filter(pk__startswith=term))
        found += [
            SearchResult(
                title=f"Run {run.pk[:8]}",
                description=f"{run.app.code}, {run.get_state_display()}",
                link=reverse("admin:runtime_runtime_change", args=[run.pk]),
                icon="play_circle",
            )
            for run in runs.select_related("app")[:RUNS]
        ]
    return found
