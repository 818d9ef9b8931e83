"""The limits of a run: those its app had when the run was claimed, kept with it, whatever becomes of the app later."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.registry.models import App
from apps.runtime.models import Runtime, State

#: Fields of the app, and what the page of a run says of each: a name and a unit.
LIMITS = {
    "time_limit_s": (gettext_noop("Time"), "s"),
    "memory_limit_mb": (gettext_noop("Memory"), "MB"),
    "cpu_limit_s": (gettext_noop("CPU"), "s"),
    "process_limit": (gettext_noop("Processes"), ""),
    "stop_grace_s": (gettext_noop("Stop grace"), "s"),
}
#: What holds without a supervisor, in a run by hand.
HELD_BY_ITSELF = ("time_limit_s", "stop_grace_s")

Limits = Mapping[str, int | None]


def limits_of(app: App) -> dict[str, int | None]:
    """The limits of an app as they are now, by the name of their field; None where there is none."""
    return {name: getattr(app, name) for name in LIMITS}


def limits_by_hand(app: App) -> dict[str, int | None]:
    """The same for a run that nobody supervises."""
    return {name: getattr(app, name) for name in HELD_BY_ITSELF}


def limits_in_force(run: Runtime) -> Limits:
    """The limits of a run whose app is loaded. Of one that is not claimed yet: those that it would get."""
    return run.limits or limits_of(run.app)


def describe_limits(run: Runtime) -> list[tuple[str, str]] | None:
    """Name and value of each limit of a run; None where they were not kept, as they once were not."""
    if not run.limits and run.state != State.QUEUED:
        return None
    found = limits_in_force(run)
    given = ((*LIMITS[name], found.get(name)) for name in LIMITS if name != "stop_grace_s")
    return [(_(title), f"{value:,} {unit}".strip()) for title, unit, value in given if value is not None]
