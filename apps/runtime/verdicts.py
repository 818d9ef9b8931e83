"""What the end of a run says about its app. Pure: no row is read or written here."""

from __future__ import annotations

from apps.registry.models import App
from apps.runtime.models import Runtime, State

FAILURES = (State.FAILED, State.CRASHED, State.TIMED_OUT)
#: States that say whether the app works; a stop, a skip or a cancellation says nothing.
JUDGED = (State.SUCCEEDED, *FAILURES)
#: `Runtime.error_category` of what was no fault of the app: a lost manager, a restarted machine, a database away.
PLATFORM = "platform"
#: The source itself said: not now.
RETRY_LATER = "retry_later"
#: A person has to repair something before another run makes sense.
BLOCKERS = ("database", "io")
#: A source that says "not now" is heard at least so often.
LATER_ATTEMPTS = 3


def has_failed(run: Runtime) -> bool:
    """Whether the run failed, for whatever reason."""
    return run.state in FAILURES and not run.is_dry_run


def is_counted(run: Runtime) -> bool:
    """Whether its failure counts towards disabling the app. A source that said "not now" counts with its first try."""
    if not has_failed(run) or run.error_category == PLATFORM:
        return False
    return run.error_category != RETRY_LATER or run.attempt <= 1


def is_blocked(run: Runtime) -> bool:
    """Whether running again is pointless until somebody has repaired something."""
    return has_failed(run) and run.error_category != PLATFORM and (run.is_blocked or run.error_category in BLOCKERS)


def is_by_hand(run: Runtime) -> bool:
    """Whether somebody ran it in a terminal: that person sees the end, and tries again."""
    return run.trigger == Runtime.Trigger.SHELL and run.owner_id is None and run.slot is not None


def may_retry(run: Runtime, app: App) -> bool:
    """Whether a failed run is tried again by itself."""
    if not has_failed(run) or is_blocked(run) or is_by_hand(run) or not app.is_enabled or app.remove_after is not None:
        return False
    later = LATER_ATTEMPTS if run.error_category == RETRY_LATER else 0
    return run.attempt <= max(app.retry_attempts, later)
