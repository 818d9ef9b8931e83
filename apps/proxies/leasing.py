"""Leases: taken by one statement, renewed and let go by their token, ended with their run.

Times are those of the platform's database; what counts is what stands in the row.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Greatest

from apps.core.clock import utc_now
from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, Verdict

#: From the last renewal; a holder that is gone keeps an address from others for so long at the most.
LEASE_S = 120
RENEW_S = LEASE_S / 3

_LEASE, _EXIT, _BAN = (model._meta.db_table for model in (ProxyReservation, ProxyExit, ProxyBan))
_COLUMNS = (
    *("ip", "domain", "provider_id", "exit_id", "token", "fence", "app", "runtime", "holder", "ttl_s", "cooldown_s"),
    *("reserved_at", "renewed_at", "held_until", "free_at", "ended_as"),
)
_TAKEN_OVER = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("ip", "domain", "fence"))
#: One statement: pick and take. An address that somebody else takes at this moment makes it come back empty.
_RESERVE = f"""
INSERT INTO {_LEASE} ({", ".join(_COLUMNS)})
SELECT e.address, %(domain)s, e.provider_id, e.id, %(token)s, %(fence)s, %(app)s, %(runtime)s, %(holder)s,
  %(ttl_s)s, %(cooldown_s)s, {{now}}, {{now}}, {{until}}, {{free}}, ''
FROM {_EXIT} e
WHERE e.provider_id = %(provider)s AND e.verdict = '{Verdict.GOOD.value}' AND e.judged_at > %(fresh)s {{only}}
  AND NOT EXISTS (SELECT 1 FROM {_LEASE} r WHERE r.ip = e.address AND r.domain = %(domain)s AND r.free_at > {{now}})
  AND NOT EXISTS (SELECT 1 FROM {_BAN} b WHERE b.ip = e.address AND b.domain = %(domain)s AND b.until > {{now}})
  {{guard}}
ORDER BY random() LIMIT 1
ON CONFLICT (ip, domain) DO UPDATE SET {_TAKEN_OVER}, released_at = NULL, fence = {_LEASE}.fence + 1
WHERE {_LEASE}.free_at <= {{now}}
RETURNING ip, exit_id, fence
"""  # noqa: S608 - names of our own tables
_RENEW = f"""
UPDATE {_LEASE} SET renewed_at = {{now}}, held_until = {{until}}, free_at = {{free}}
WHERE token IN ({{tokens}}) AND released_at IS NULL AND held_until > {{now}} {{guard}}
RETURNING token
"""  # noqa: S608 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """For whom leases are taken."""

    app: str = ""
    runtime: str = ""
    process: str = ""
    guard: str = ""
    """A condition in SQL that holds as long as the run may take anything; and its values, by name."""
    guard_values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease that was taken."""

    token: str
    fence: int
    ip: str
    domain: str
    exit_id: int
    provider_id: int
    ttl_s: int
    cooldown_s: int


def reserve(
    provider: Provider,
    domain: str,
    holder: Holder,
    *,
    fresh_since: datetime,
    now: datetime | None = None,
    exit_id: int | None = None,
    ttl_s: int = LEASE_S,
) -> Held | None:
    """An address of `provider` for `domain`, which nobody else has then; None when there is none to be had.

    Only ways out that were found good after `fresh_since`; only `exit_id`, if given. Without `now` it is the database
    that says what time it is, in the statement itself: no delay on the way makes two ideas of it.
    """
    token, cooldown_s = secrets.token_hex(16), provider.cooldown_s
    moments, values = _moments(now, ttl_s, cooldown_s)
    values |= {"domain": domain, "token": token, "fence": _first_fence(), "app": holder.app, "runtime": holder.runtime}
    values |= {"holder": holder.process[:300], "ttl_s": ttl_s, "cooldown_s": cooldown_s}
    values |= {"provider": provider.pk, "fresh": fresh_since, "exit": exit_id, **holder.guard_values}
    only = "" if exit_id is None else "AND e.id = %(exit)s"
    rows = _run(_RESERVE.format(only=only, guard=_and(holder), **moments), values)
    if not rows:
        return None
    ip, taken_exit, fence = rows[0]
    return Held(
        token=token,
        fence=fence,
        ip=ip,
        domain=domain,
        exit_id=taken_exit,
        provider_id=provider.pk,
        ttl_s=ttl_s,
        cooldown_s=cooldown_s,
    )


def renew(leases: Iterable[Held], holder: Holder, *, now: datetime | None = None) -> set[str]:
    """Renew leases of one holder; the tokens of those that it still has. A lease that ran out is not brought back."""
    groups: dict[tuple[int, int], list[str]] = {}
    for lease in leases:
        groups.setdefault((lease.ttl_s, lease.cooldown_s), []).append(lease.token)
    kept: set[str] = set()
    for (ttl_s, cooldown_s), tokens in groups.items():
        moments, values = _moments(now, ttl_s, cooldown_s)
        values |= {f"token{place}": token for place, token in enumerate(tokens)} | dict(holder.guard_values)
        listed = ", ".join(f"%(token{place})s" for place in range(len(tokens)))
        rows = _run(_RENEW.format(tokens=listed, guard=_and(holder), **moments), values)
        kept |= {token for (token,) in rows}
    return kept


def release(
    token: str, *, now: datetime, rest_s: int | None = None, ended_as: str = ProxyReservation.End.RELEASED
) -> bool:
    """Give it back; False when it was over already. Nobody gets the address for this site for `rest_s` seconds."""
    return bool(_end(now=now, ended_as=ended_as, rest_s=rest_s, token=token))


def release_run(run_id: str, *, now: datetime) -> int:
    """The run has ended: so have its leases. In the transaction of the caller. How many there were."""
    return _end(now=now, ended_as=ProxyReservation.End.RUN_ENDED, runtime=run_id)


def end_overdue(*, now: datetime) -> int:
    """Write down that leases which nobody renewed are over. They were free already: this is for who looks at them."""
    overdue = ProxyReservation.objects.open().filter(held_until__lte=now)
    return overdue.update(released_at=now, ended_as=ProxyReservation.End.EXPIRED)


def _end(*, now: datetime, ended_as: str, rest_s: int | None = None, **which: Any) -> int:
    rows = ProxyReservation.objects.open().filter(**which)
    count = 0
    for pk, cooldown_s in list(rows.values_list("pk", "cooldown_s")):
        free_at = now + timedelta(seconds=max(cooldown_s, rest_s or 0))
        # It may run out, and be somebody else's, between the two statements: the condition is asked once more.
        count += rows.filter(pk=pk).update(
            released_at=Greatest("renewed_at", now), free_at=Greatest("renewed_at", free_at), ended_as=ended_as
        )
    return count


def _first_fence() -> int:
    """A row that retention took away begins above all that it ever gave."""
    return int(time.time() * 1000)


def _and(holder: Holder) -> str:
    return f"AND {holder.guard}" if holder.guard else ""


def _moments(now: datetime | None, ttl_s: int, cooldown_s: int) -> tuple[dict[str, str], dict[str, Any]]:
    """How the statements say now, until when it is held and from when it is free; and the values of that."""
    free_s = max(ttl_s, cooldown_s)
    if now is None and _connection().vendor == "postgresql":
        # When the server got the statement: after it was asked, before it is answered.
        after = "statement_timestamp() + make_interval(secs => %({})s)"
        moments = {"now": "statement_timestamp()", "until": after.format("ttl_s"), "free": after.format("free_s")}
        return moments, {"ttl_s": ttl_s, "free_s": free_s}
    now = now or utc_now()
    until, free = (now + timedelta(seconds=seconds) for seconds in (ttl_s, free_s))
    names = {"now": "%(now)s", "until": "%(until)s", "free": "%(free)s"}
    return names, {"now": now, "until": until, "free": free}


def _run(statement: str, values: Mapping[str, Any]) -> list[Any]:
    connection = _connection()
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            statement, {name: adapt(value) if isinstance(value, datetime) else value for name, value in values.items()}
        )
        return list(cursor.fetchall())


def _connection() -> BaseDatabaseWrapper:
    return connections[router.db_for_write(ProxyReservation)]
