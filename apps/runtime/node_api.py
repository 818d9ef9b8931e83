"""Managers, health and figures for programs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Query
from pydantic import Field

from apps.api.access import visible
from apps.api.paging import page_of
from apps.api.schemas import Answer, Flag, Listing, Many, Moment, reply
from apps.api.section import Section
from apps.core.clock import database_now
from apps.runtime.figures import current_figures
from apps.runtime.health import check_health
from apps.runtime.node_models import Node

section = Section("system")

VIEW = "runtime.view_node"


class NodeOut(Answer):
    """One start of a manager."""

    id: str = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    host: str = Field(examples=["collector-1"])
    pid: int = Field(examples=[4711])
    version: str = Field(examples=["0.1.0"])
    queues: list[str] = Field(examples=[["runs"]])
    slots: int = Field(examples=[4])
    used: int = Field(description="Slots taken.", examples=[1])
    is_alive: bool = Field(examples=[True])
    is_draining: bool = Field(description="It takes no more runs.")
    broker_error: str = Field(description="Why its doorbell is silent.", examples=[""])
    started_at: Moment
    heartbeat_at: Moment
    ended_at: Moment | None = Field(examples=[None])
    end_cause: str


class NodeFilter(Many):
    """Which managers, the newest first."""

    has_ended: Flag | None = None


@section.get("/nodes", name="listNodes", permission=VIEW, answer=Listing[NodeOut])
def list_nodes(request: HttpRequest, wanted: Query[NodeFilter]) -> HttpResponse:
    """Managers, the newest first."""
    rows, now = visible(request, VIEW, Node.objects.all()), database_now()
    if wanted.has_ended is not None:
        rows = rows.filter(ended_at__isnull=not wanted.has_ended)

    def shown(node: Node) -> NodeOut:
        names = set(NodeOut.model_fields) - {"is_alive"}
        is_alive = node.ended_at is None and node.lease_until > now
        return NodeOut.model_construct(is_alive=is_alive, **{name: getattr(node, name) for name in names})

    return reply(page_of(rows, ("-started_at", "-id"), wanted, shown))


class PartOut(Answer):
    """How one part of the platform is."""

    name: str = Field(examples=["database"])
    is_ok: bool = Field(examples=[True])
    said: str = Field(examples=["PostgreSQL answers."])
    took_ms: float = Field(examples=[1.2])


class HealthOut(Answer):
    """How the platform is."""

    is_ready: bool = Field(examples=[True])
    parts: list[PartOut]
    measured_at: Moment


class FigureOut(Answer):
    """One number."""

    name: str = Field(examples=["queue_depth"])
    labels: dict[str, str] = Field(examples=[{"queue": "runs"}])
    value: float = Field(examples=[3])
    help: str = Field(examples=["Runs that wait for a manager."])


class FiguresOut(Answer):
    """The numbers that /metrics shows."""

    items: list[FigureOut]


@section.get("/health", name="getHealth", permission=VIEW, answer=HealthOut)
def get_health(request: HttpRequest) -> HttpResponse:
    """How each part of the platform is, with the reason where it is not well."""
    del request  # the health of the platform is one
    health = check_health()
    parts = [PartOut.model_validate(each) for each in health.findings]
    return reply(HealthOut(is_ready=health.is_ready(), parts=parts, measured_at=health.measured_at))


@section.get("/metrics", name="getMetrics", permission=VIEW, answer=FiguresOut)
def get_metrics(request: HttpRequest) -> HttpResponse:
    """The figures of the platform, at most a few seconds old."""
    del request  # the figures are those of the platform
    return reply(FiguresOut(items=[FigureOut.model_validate(each) for each in current_figures()]))
