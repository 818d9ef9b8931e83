"""Health and figures for machines that watch: load balancers, orchestrators, Prometheus (docs/operating.md)."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from apps.accounts.address import client_address
from apps.api.access import identify
from apps.api.problems import Problem
from apps.runtime.figures import Figure, current_figures
from apps.runtime.health import PROBES, Health, check_health

VIEW = "runtime.view_node"
LIVE, READY = "/health/live", "/health/ready"
PREFIX = "datacollector_"


class HealthMiddleware:
    """Answers who watches before anything else is asked of them: a probe knows neither our host names nor HTTPS."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._answer(request)
        return ready(request, check_health()) if request.path == READY else live(request) or self.get_response(request)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == READY:
            # Not in the thread that all synchronous views share: a page that hangs there is none of its business.
            return ready(request, await sync_to_async(check_health, thread_sensitive=False)())
        answer: HttpResponseBase = live(request) or await self.get_response(request)
        return answer


def live(request: HttpRequest) -> HttpResponse | None:
    """This process answers. It asks nobody else, so that a database that is away gets no process killed."""
    return _told({"status": "live"}) if request.path == LIVE else None


def ready(request: HttpRequest, health: Health) -> HttpResponse:
    """Whether the platform can do its work, or the parts that `only` names. Reasons are for those who sign in."""
    only = frozenset(filter(None, request.GET.get("only", "").split(",")))
    if unknown := sorted(only - set(PROBES)):
        return _told({"status": "failed", "unknown": unknown[0][:40], "known": sorted(PROBES)}, 400)
    shown = {each.name: "ok" if each.is_ok else "failed" for each in health.findings if not only or each.name in only}
    is_ready = health.is_ready(only)
    status = "ready" if is_ready else "failed"
    return _told({"status": status, "checks": shown, "measured_at": health.measured_at}, 200 if is_ready else 503)


def _told(data: dict[str, Any], status: int = 200) -> HttpResponse:
    response = JsonResponse(data, status=status)
    response["Cache-Control"] = "no-store"
    return response


def metrics(request: HttpRequest) -> HttpResponse:
    """The figures as Prometheus reads them: for who has the token, an address of the settings, or the permission."""
    if not _may_scrape(request):
        response = HttpResponse("Send the token of DC_METRICS_TOKEN.\n", status=401, content_type="text/plain")
        response["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return response
    return HttpResponse(exposition(current_figures()), content_type="text/plain; version=0.0.4; charset=utf-8")


def _may_scrape(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    known = settings.DC_METRICS_TOKEN
    if known and scheme.lower() == "bearer" and constant_time_compare(token.strip(), known):
        return True
    if _comes_from(client_address(request.META), settings.DC_METRICS_ALLOW):
        return True
    try:
        return identify(request).may(VIEW)
    except Problem:
        return False


def _comes_from(address: str | None, networks: list[str]) -> bool:
    if address is None:
        return False
    known = ipaddress.ip_address(address)
    return any(known in ipaddress.ip_network(network) for network in networks)


def exposition(figures: list[Figure]) -> bytes:
    """The text of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

    families: dict[str, Metric] = {}
    for figure in figures:
        family: Any = families.get(figure.name)
        if family is None:
            made: Any = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
            family = families[figure.name] = made(PREFIX + figure.name, figure.help, labels=list(figure.labels))
        family.add_metric(list(figure.labels.values()), figure.value)

    class Figures:
        def collect(self) -> list[Metric]:
            return list(families.values())

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return generate_latest(registry)
