"""Every list and page of the console on an installation with years behind it: server time and statements.

Needs a PostgreSQL: the one that the tests find or start (docs/testing.md).
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.report import Figure, publish
from benchmarks.scratch import platform_on_postgres

COMMAND = "make bench SECTION=pages"
QUICK = bool(os.environ.get("QUICK"))
APPS, RUNS, LINES, COMMANDS = (500, 20_000, 200_000, 5_000) if QUICK else (10_000, 1_000_000, 10_000_000, 100_000)
ROUNDS = 7
PAGE_MS, HOME_MS, API_MS, STATEMENTS = 300, 500, 50, 50


def addresses() -> Iterator[str]:
    """Every list of the admin, with what people add to them, and the pages that are made for a purpose."""
    from django.contrib import admin
    from django.urls import NoReverseMatch, reverse

    from apps.registry.models import App
    from apps.runtime.models import Runtime

    for model in sorted(admin.site._registry, key=lambda model: model._meta.label):
        try:
            yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        except NoReverseMatch:
            continue
    runs, apps = reverse("admin:runtime_runtime_changelist"), reverse("admin:registry_app_changelist")
    yield from (f"{runs}?{asked}" for asked in ("state__exact=FAILED", "p=50", "q=app77", "o=4"))
    yield from (f"{apps}?{asked}" for asked in ("q=app77", "p=3", "is_enabled__exact=0"))
    app, run = App.objects.order_by("pk")[77], Runtime.objects.order_by("-queued_at")[5]
    yield reverse("admin:registry_app_change", args=[app.pk])
    yield reverse("admin:runtime_runtime_change", args=[run.pk])
    yield from (f"{reverse('admin:timeline')}?range={each}" for each in ("1h", "24h", "7d"))


def operations() -> Iterator[str]:
    """Every list of the API that takes no parameter, a hundred at once."""
    from config.api import api

    for path, methods in api.get_openapi_schema()["paths"].items():
        wanted = methods.get("get", {}).get("parameters", [])
        if "{" not in path and any(parameter["name"] == "limit" for parameter in wanted):
            yield f"{path}?limit=100"


def measure(browser: Any, address: str, **headers: str) -> tuple[float, int, int]:
    """The median of several rounds in ms, the statements of the last one, and the status."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    took: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        response = browser.get(address, headers=headers)
        response.getvalue()
        took.append((time.perf_counter() - begun) * 1000)
    with CaptureQueriesContext(connection) as counted:
        browser.get(address, headers=headers)
    return statistics.median(took), len(counted), response.status_code


def figures() -> Iterator[Figure]:
    """Pages first, then the lists of the API."""
    from django.conf import settings
    from django.test import Client
    from django.urls import reverse

    from tests.integration.people import signed_in

    settings.ALLOWED_HOSTS = ["testserver"]
    browser = signed_in()
    for address in (reverse("admin:index"), *addresses()):
        limit = HOME_MS if address == reverse("admin:index") else PAGE_MS
        yield figure(address, limit, *measure(browser, address))
    robot = Client()
    token = bearer()
    for address in operations():
        yield figure(address, API_MS, *measure(robot, address, Authorization=f"Bearer {token}"))


def bearer() -> str:
    """A token of a program that may read everything."""
    from tests.integration.people import make_client, token_of

    client, secret = make_client(scopes=("read", "admin"), role="admin")
    return token_of(client, secret, "read admin")


def figure(address: str, limit: int, took: float, statements: int, status: int) -> Figure:
    return Figure(
        measure=f"{address} ({statements} statements, {status})",
        ours=took,
        unit="ms",
        target=f"<= {limit} ms, <= {STATEMENTS} statements",
        ok=took <= limit and statements <= STATEMENTS and status == 200,
        n=ROUNDS,
        command=COMMAND,
        ratio=took / limit,
    )


def main() -> int:
    from benchmarks.pages_seed import seed

    with platform_on_postgres():
        begun = time.monotonic()
        seed(apps=APPS, runs=RUNS, lines=LINES, commands=COMMANDS)
        print(f"     {APPS:,} apps, {RUNS:,} runs, {LINES:,} lines written in {time.monotonic() - begun:.0f} s")
        return 0 if publish("pages", list(figures())) else 1


if __name__ == "__main__":
    sys.exit(main())
