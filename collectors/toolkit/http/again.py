"""Whether a request that failed is sent again, and when."""

from __future__ import annotations

from collectors.toolkit.errors import FetchError, Reaction
from collectors.toolkit.http.call import Call
from collectors.toolkit.http.profile import Retries
from collectors.toolkit.http.verdicts import may_pass

#: Sending one of these twice is as good as sending it once (RFC 9110, 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


def wait_before_next(
    error: FetchError, attempts: int, call: Call, retries: Retries, *, rotates: bool = False
) -> float | None:
    """The seconds to wait before another attempt; None if there is to be none. One that rotates goes another way."""
    is_repeatable = call.method in IDEMPOTENT if call.retry is None else call.retry
    if attempts > retries.count or not is_repeatable:
        return None
    if rotates and error.reaction is Reaction.ROTATE:
        return _jittered(attempts, retries)
    if not may_pass(error):
        return None
    asked_s = getattr(error, "retry_after_s", None)
    if asked_s is not None and asked_s > retries.longest_asked_s:
        return None
    return max(_jittered(attempts, retries), asked_s or 0.0)


def _jittered(attempts: int, retries: Retries) -> float:
    # Only a request that failed pays for the import.
    from tenacity import RetryCallState, Retrying, wait_random_exponential

    state = RetryCallState(retry_object=Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempts
    return wait_random_exponential(multiplier=retries.base_s, max=retries.longest_s)(state)
