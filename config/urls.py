"""Every address of the web process."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from apps.proxies.judge_page import judge
from apps.runtime.health_views import metrics
from config.api import api, description

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("apps.accounts.urls")),
    path("admin/", admin.site.urls),
    path("judge", judge, name="judge"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/openapi.json", description, name="api-description"),
    path("api/v1/", api.urls),
]
if settings.DC_DEMO_SITE:
    urlpatterns.append(path("demo/", include("apps.console.demo_urls")))
