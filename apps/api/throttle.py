"""How often somebody may ask: counted in the cache that all web processes share, by who asks.

A minute has a counter of its own for each asker, so that a burst is refused and the next minute is free. When the cache
is away nobody is refused: a platform that nobody can look at helps no one.
"""

from __future__ import annotations

import hashlib
import time

import structlog
from django.conf import settings
from django.core.cache import cache

from apps.api.problems import Problem

log = structlog.get_logger("api")

WINDOW_S = 60


def count_in(kind: str, who: str, most: int) -> None:
    """One more of `kind` by `who`. Raises `Problem` when there were `most` in this minute. 0: no limit."""
    if not most:
        return
    now = time.time()
    window = int(now // WINDOW_S)
    # Names may hold what a key of a cache may not.
    key = f"api:{hashlib.sha256(f'{kind}|{who}'.encode()).hexdigest()}:{window}"
    try:
        cache.add(key, 0, timeout=2 * WINDOW_S)
        count = cache.incr(key)
    except Exception as error:  # noqa: BLE001 - each cache raises its own; a counter that is gone is a new minute
        log.debug("api.not_counted", reason=str(error).partition("\n")[0])
        return
    if count > most:
        wait = max(1, round((window + 1) * WINDOW_S - now))
        detail = f"At most {most} {kind} a minute; try again in {wait} s."
        raise Problem("too-many-requests", detail, headers={"Retry-After": str(wait)})


def count_request(who: str, *, is_write: bool) -> None:
    """One more request by somebody who was let in. Raises `Problem`."""
    if is_write:
        count_in("writes", who, settings.DC_API_WRITES_PER_MINUTE)
    else:
        count_in("reads", who, settings.DC_API_READS_PER_MINUTE)


def count_refusal(address: str) -> None:
    """One more token from an address that let nobody in. Raises `Problem`."""
    count_in("wrong tokens", address, settings.DC_API_REFUSALS_PER_MINUTE)
