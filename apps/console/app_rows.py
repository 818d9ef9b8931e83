"""The apps that a request means, and how they are shown."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest

from apps.api.access import visible
from apps.api.problems import Problem
from apps.api.versions import etag_of
from apps.console.app_schemas import DECIDED, AppFilter, AppOut, LastRun, Wanted
from apps.registry.models import App
from apps.runtime.models import Runtime


def apps_of(request: HttpRequest, permission: str) -> QuerySet[App]:
    """The apps that who asks has this permission on, with their newest runs."""
    newest = Runtime.objects.filter(app=OuterRef("pk")).order_by("-queued_at", "-id")
    return visible(request, permission, App.objects.select_related("owner")).annotate(
        last_id=Subquery(newest.values("pk")[:1])
    )


def find_app(request: HttpRequest, permission: str, code: str) -> App:
    """One of them. Raises `Problem`."""
    app = apps_of(request, permission).filter(code=code).first()
    if app is None:
        raise Problem("not-found", f"There is no app {code}.")
    return app


def filtered(apps: QuerySet[App], wanted: AppFilter | Wanted) -> QuerySet[App]:
    """Those that everything given applies to."""
    conditions: dict[str, Any] = {
        "parent__group__name": wanted.group,
        "is_enabled": wanted.is_enabled,
        "code__in": getattr(wanted, "codes", None),
        "kind": getattr(wanted, "kind", None),
        "fatal": getattr(wanted, "fatal", None),
        "owner__username": getattr(wanted, "owner", None),
    }
    apps = apps.filter(**{name: value for name, value in conditions.items() if value is not None})
    if parent := getattr(wanted, "parent", None):
        group, _, name = parent.partition(".")
        apps = apps.filter(parent__group__name=group, parent__name=name)
    if wanted.tag is not None:
        apps = _tagged(apps, wanted.tag)
    if wanted.q:
        apps = apps.filter(Q(code__icontains=wanted.q) | Q(description__icontains=wanted.q))
    return apps


def _tagged(apps: QuerySet[App], tag: str) -> QuerySet[App]:
    if connection.vendor == "postgresql":
        return apps.filter(tags__contains=[tag])
    # SQLite cannot look into a list; there, one machine has few enough apps to look at each.
    return apps.filter(pk__in=[pk for pk, tags in App.objects.values_list("pk", "tags") if tag in tags])


def last_runs(apps: list[App]) -> dict[str, Runtime]:
    """The newest runs of these apps by their ids, in one query."""
    ids = [last_id for app in apps if (last_id := getattr(app, "last_id", None))]
    return Runtime.objects.only("state", "queued_at").in_bulk(ids)


def app_out(app: App, runs: dict[str, Runtime] | None = None) -> AppOut:
    """An app as it is shown."""
    runs = last_runs([app]) if runs is None else runs
    last = runs.get(getattr(app, "last_id", None) or "")
    values = {name: getattr(app, name) for name in AppOut.model_fields if name not in ("owner", "last_run")}
    shown = LastRun(id=last.pk, state=last.state, queued_at=last.queued_at) if last else None
    owner = app.owner.get_username() if app.owner else None
    return AppOut.model_construct(**values, owner=owner, last_run=shown)


def version_of(app: App) -> str:
    """The tag of what people decided about an app; what the platform writes into its row does not change it."""
    return etag_of([app.owner_id if name == "owner" else getattr(app, name) for name in DECIDED])


def place_of(app: App) -> str:
    """Its address."""
    return f"/api/v1/apps/{app.code}"
