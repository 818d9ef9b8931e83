"""Which parts of the platform were seen alive, and when: kept in the shared cache, so it costs no row."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

from apps.core.clock import utc_now

log = structlog.get_logger("runtime")

#: The part, and what it proves to be alive.
PARTS = {"manager": "starts and ends runs", "clock": "beat, broker and worker: the scheduling tick"}
FRESH = timedelta(seconds=10)
WORKERS, REMEMBERED = "alive:workers", timedelta(hours=1)


def beat(part: str) -> None:
    """Say that `part` is alive now."""
    try:
        cache.set(f"alive:{part}", utc_now().isoformat(), timeout=86_400)
    except RedisError as error:
        # A cache that is away costs a sign of life, never the part itself.
        log.warning("vital_signs.missed", part=part, reason=str(error))


def beat_worker(name: str) -> None:
    """Say that the worker of this name is alive now. Two that do so at once may lose one; the next beat brings it."""
    now = utc_now()
    try:
        known = cache.get(WORKERS) or {}
        kept = {other: at for other, at in known.items() if now - datetime.fromisoformat(at) < REMEMBERED}
        cache.set(WORKERS, kept | {name: now.isoformat()}, timeout=86_400)
    except RedisError as error:
        log.debug("vital_signs.missed", part="worker", reason=str(error))


def workers_seen() -> dict[str, datetime]:
    """Workers of the last hour, and when each was last seen. Raises `RedisError`."""
    return {name: datetime.fromisoformat(at) for name, at in (cache.get(WORKERS) or {}).items()}


def last_seen(part: str) -> datetime | None:
    """When `part` was last seen; None when that is not known."""
    try:
        value = cache.get(f"alive:{part}")
    except RedisError:
        return None
    return datetime.fromisoformat(value) if value else None


def is_alive(part: str, *, now: datetime) -> bool:
    """Whether `part` was seen a moment ago."""
    seen = last_seen(part)
    return seen is not None and now - seen < FRESH
