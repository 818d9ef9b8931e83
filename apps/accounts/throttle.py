"""How often somebody may ask, counted in the cache that all processes share."""

from __future__ import annotations

import hashlib
import time

import structlog
from django.core.cache import cache

log = structlog.get_logger("accounts")


def is_allowed(what: str, who: str, *, limit: int, per_s: int) -> bool:
    """Count one, and say whether it is within `limit` for this window of `per_s` seconds.

    A cache that does not answer stops nobody: what is throttled here needs a secret of 256 bits as well.
    """
    window = int(time.time()) // per_s
    key = f"throttle:{what}:{hashlib.sha256(who.encode()).hexdigest()}:{window}"
    try:
        if cache.add(key, 1, timeout=2 * per_s):
            return True
        return int(cache.incr(key)) <= limit
    except ValueError:
        return True  # it ran out between the two
    except Exception as error:  # noqa: BLE001 - each cache has errors of its own
        log.warning("throttle.no_cache", reason=str(error).partition("\n")[0])
        return True
