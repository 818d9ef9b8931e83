"""A run that sets the next run of its app: from what its source said, through the frame `end`, to the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from apps.runtime.models import Runtime
from apps.runtime.scheduling import set_next_run

log = structlog.get_logger("runtime")


def next_run_words(run: Runtime, at: datetime | None) -> dict[str, Any]:
    """What the frame `end` says about the next run: when, and which version of the schedule the run saw."""
    if at is None or run.is_dry_run:
        return {}
    # A source may say anything: a time without a zone, a date.
    if getattr(at, "tzinfo", None) is None:
        log.warning("next_run.ignored", reason=f"{at!r} is not a time with a time zone.")
        return {}
    return {"next_run": at.isoformat(), "schedule_version": run.app.schedule_version}


def obey_next_run(run: Runtime, said: Mapping[str, Any], *, now: datetime) -> None:
    """Do what the frame `end` says about the next run, if anything. Call it where the run reaches its end."""
    text, seen_version = said.get("next_run"), said.get("schedule_version")
    if not isinstance(text, str) or not isinstance(seen_version, int):
        return
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        log.warning("next_run.ignored", app=run.app.code, runtime=run.pk, reason=f"{text} is not a time.")
        return
    is_set = set_next_run(run.app, at=at, seen_version=seen_version, now=now)
    if is_set:
        log.info("next_run.set", app=run.app.code, runtime=run.pk, at=text)
    else:
        reason = "The schedule was changed meanwhile, or no clock starts the app."
        log.info("next_run.ignored", app=run.app.code, runtime=run.pk, reason=reason)
