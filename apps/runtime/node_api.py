"""Managers, health and figures for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from django.utils.translation import override
from ninja import Path, Query
from pydantic import Field

from apps.accounts.policy import everywhere
from apps.api.access import asker, by, visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.rows import find_row
from apps.api.schemas import Answer, Flag, Listing, Many, Moment, RunId, one_of, reply
from apps.api.section import Section
from apps.core.clock import database_now
from apps.runtime.figures import current_figures
from apps.runtime.health import check_health
from apps.runtime.node_models import Node
from apps.runtime.nodes import ask_to_drain
from apps.runtime.parts import Standing
from apps.runtime.system import read_system

section = Section("system")

VIEW, DRAIN = "runtime.view_node", "runtime.add_command"


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
    return reply(page_of(rows, ("-started_at", "-id"), wanted, lambda node: node_out(node, now)))


@section.get("/nodes/{node_id}", name="getNode", permission=VIEW, answer=NodeOut)
def get_node(request: HttpRequest, node_id: Path[RunId]) -> HttpResponse:
    """One of them."""
    return reply(
        node_out(find_row(request, VIEW, Node.objects.all(), f"manager {node_id}", pk=node_id), database_now())
    )


@section.post("/nodes/{node_id}/drain", name="drainNode", permission=DRAIN, answer=NodeOut, is_recorded=False)
def drain_node(request: HttpRequest, node_id: Path[RunId]) -> HttpResponse:
    """Have it take no more runs, from its next heartbeat on; those it has go on."""
    return _set_draining(request, node_id, is_draining=True)


@section.post("/nodes/{node_id}/undrain", name="undrainNode", permission=DRAIN, answer=NodeOut, is_recorded=False)
def undrain_node(request: HttpRequest, node_id: Path[RunId]) -> HttpResponse:
    """Have it take runs again."""
    return _set_draining(request, node_id, is_draining=False)


def _set_draining(request: HttpRequest, node_id: str, *, is_draining: bool) -> HttpResponse:
    if not everywhere(asker(request), DRAIN):
        raise Problem("not-allowed", "A manager runs apps of everybody: this needs a role that holds everywhere.")
    node = Node.objects.filter(pk=node_id).first()
    if node is None:
        raise Problem("not-found", f"There is no manager {node_id}.")
    if not ask_to_drain([node], is_draining=is_draining, **by(request)):
        raise Problem("conflict", f"The manager has ended: {node.end_cause}")
    node.refresh_from_db()
    return reply(node_out(node, database_now()))


def node_out(node: Node, now: datetime) -> NodeOut:
    """A manager as it is shown."""
    names = set(NodeOut.model_fields) - {"is_alive"}
    is_alive = node.ended_at is None and node.lease_until > now
    return NodeOut.model_construct(is_alive=is_alive, **{name: getattr(node, name) for name in names})


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


class SystemPartOut(Answer):
    """One part, as the System page shows it."""

    name: str = Field(examples=["broker"])
    machine: str = Field(description="Empty: of the platform.", examples=[""])
    title: str = Field(examples=["Broker"])
    state: Annotated[str, one_of(Standing)] = Field(examples=["ok"])
    said: str = Field(examples=["redis answers."])
    step: str = Field(description="What a person does next; empty: nothing.", examples=[""])
    measured_at: Moment | None


class SystemOut(Answer):
    """All parts of the platform."""

    state: Annotated[str, one_of(Standing)] = Field(description="The worst of them.", examples=["ok"])
    parts: list[SystemPartOut]
    measured_at: Moment


@section.get("/system", name="getSystem", permission=VIEW, answer=SystemOut)
def get_system(request: HttpRequest) -> HttpResponse:
    """How every part is: what the System page shows. What does not answer within a second is unknown."""
    del request  # the platform is one
    # Programs are answered in English, whoever asks.
    with override("en"):
        system = read_system()
    names = set(SystemPartOut.model_fields) - {"state"}
    parts = [
        SystemPartOut.model_construct(state=part.standing.value, **{name: getattr(part, name) for name in names})
        for part in system.parts
    ]
    return reply(SystemOut.model_construct(state=system.standing.value, parts=parts, measured_at=system.measured_at))


@section.get("/metrics", name="getMetrics", permission=VIEW, answer=FiguresOut)
def get_metrics(request: HttpRequest) -> HttpResponse:
    """The figures of the platform, at most a few seconds old."""
    del request  # the figures are those of the platform
    return reply(FiguresOut(items=[FigureOut.model_validate(each) for each in current_figures()]))
