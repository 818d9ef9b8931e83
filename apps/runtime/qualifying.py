"""What one can ask the lists of apps and runs for, in words (`apps/core/qualifiers.py`)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from apps.core.qualifiers import BadQualifier, Qualifier, choice, moment, part, person
from apps.registry.models import App
from apps.runtime.models import LIVE, Runtime, State

WRONG = (State.FAILED, State.CRASHED, State.TIMED_OUT)
STATES: dict[str, Any] = {
    **{state.value.lower(): state for state in State},
    "live": LIVE,
    "open": (State.QUEUED, *LIVE),
    "wrong": WRONG,
}


def _tag(text: str, _asker: Any) -> Q:
    # Both databases keep the list as text that can be looked into.
    return Q(tags__icontains=f'"{text}"')


def _cause(text: str, _asker: Any) -> Q:
    # Without the second part, which is that of an index, every run of the installation would be read.
    return Q(cause__icontains=text) & ~Q(cause="")


_IS = {
    "enabled": Q(is_enabled=True),
    "disabled": Q(is_enabled=False),
    "failing": Q(failures_in_a_row__gt=0),
    "stopped": ~Q(fatal=App.Fatal.NONE),
    "trial": Q(is_on_trial=True),
    "scheduled": Q(is_enabled=True, next_run_at__isnull=False),
    "removed": Q(remove_after__isnull=False),
}


def _is(text: str, _asker: Any) -> Q:
    if text.lower() not in _IS:
        raise BadQualifier(f"{text} is none of: {', '.join(_IS)}.")
    return _IS[text.lower()]


RUN_QUALIFIERS: dict[str, Qualifier] = {
    "state": choice("state", STATES, "failed"),
    "app": part("app__code", "books"),
    "since": moment("queued_at", "gte", "2d"),
    "until": moment("queued_at", "lte", "1h"),
    "owner": person("app__owner"),
    "trigger": choice("trigger", {each.value.lower(): each for each in Runtime.Trigger}, "schedule"),
    "queue": part("queue", "runs"),
    "cause": Qualifier(_cause, "timeout"),
}
APP_QUALIFIERS: dict[str, Qualifier] = {
    "app": part("code", "books"),
    "is": Qualifier(_is, "enabled"),
    "last": choice("newest_state", STATES, "failed"),
    "owner": person("owner"),
    "tag": Qualifier(_tag, "prices"),
    "group": part("parent__group__name", "shop"),
    "queue": part("queue", "runs"),
    "kind": choice("kind", {each.value.lower(): each for each in App.Kind}, "managed"),
}
