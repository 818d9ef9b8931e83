"""What the command palette finds besides pages. Bounded: the theme's own search would load every run that matches."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from apps.registry.models import App
from apps.runtime.models import Runtime

APPS, RUNS = 20, 10
LEAST_OF_AN_ID = 4


def palette(request: HttpRequest, term: str) -> list[SearchResult]:
    """Apps by words of their code, and runs by the beginning of their id, as far as this person may see them."""
    found = []
    if request.user.has_perm("registry.view_app"):
        found += [
            SearchResult(
                title=app.code,
                description="enabled" if app.is_enabled else "disabled",
                link=reverse("admin:registry_app_change", args=[app.pk]),
                icon="apps",
            )
            for app in App.objects.filter(code__icontains=term)[:APPS]
        ]
    if len(term) >= LEAST_OF_AN_ID and request.user.has_perm("runtime.view_runtime"):
        found += [
            SearchResult(
                title=f"Run {run.pk[:8]}",
                description=f"{run.app.code}, {run.get_state_display()}",
                link=reverse("admin:runtime_runtime_change", args=[run.pk]),
                icon="play_circle",
            )
            for run in Runtime.objects.filter(pk__startswith=term).select_related("app")[:RUNS]
        ]
    return found
