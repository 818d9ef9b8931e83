"""How often somebody may ask: counted in the cache that all web processes share, each window anew.

A burst is refused and the next window is free. A cache that is away stops nobody: a platform that nobody can look at
helps no one, and what is throttled here needs a secret of 256 bits as well.
"""

from __future__ import annotations

import hashlib
import time

import structlog
from django.core.cache import cache

log = structlog.get_logger("accounts")


def wait_for(what: str, who: str, *, limit: int, per_s: int = 60) -> int:
    """Count one more of `what` by `who`: 0 within `limit`, else the seconds until the next window. No limit: 0."""
    if not limit:
        return 0
    now = time.time()
    window = int(now) // per_s
    # Names may hold what a key of a cache may not.
    key = f"throttle:{hashlib.sha256(f'{what}|{who}'.encode()).hexdigest()}:{window}"
    try:
        count = 1 if cache.add(key, 1, timeout=2 * per_s) else int(cache.incr(key))
    except ValueError:
        return 0  # it ran out between the two
    except Exception as error:  # noqa: BLE001 - each cache raises its own
        log.debug("throttle.no_cache", reason=str(error).partition("\n")[0])
        return 0
    return 0 if count <= limit else max(1, round((window + 1) * per_s - now))
