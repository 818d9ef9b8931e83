"""How pages write about a run."""

from __future__ import annotations

from django import template

from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import span
from apps.registry.models import App
from apps.registry.schedules import describe_schedule
from apps.runtime.models import Runtime, State

register = template.Library()


@register.filter
def state(run: Runtime) -> str:
    """Its state as a label."""
    return label(str(State(run.state).label), State(run.state).colour)


@register.filter
def colour(run: Runtime) -> str:
    """The colour of its state."""
    return State(run.state).colour


@register.filter
def took(run: Runtime) -> str:
    """How long it ran, or runs by now."""
    if run.started_at is None:
        return "-"
    return span(((run.ended_at or utc_now()) - run.started_at).total_seconds())


@register.filter
def time_left(run: Runtime) -> str:
    """How long it will still take, by its own estimate; empty when it made none, or was wrong."""
    left = (run.eta_at - utc_now()).total_seconds() if run.eta_at else 0.0
    return span(left) if left > 0 else ""


@register.filter
def schedule(app: App) -> str:
    """When the clock starts an app, in plain words."""
    return describe_schedule(app)
