"""Celery tasks of proxies. Whoever needs an address judges it anyway: these only make it quicker, and tidy up."""

from __future__ import annotations

from celery import shared_task

from apps.core.clock import database_now
from apps.proxies.banning import decay
from apps.proxies.leasing import end_overdue

#: A worker that has only one process ticks as well.
SLICE_S = 2.0


@shared_task(name="proxies.upkeep", acks_late=False)  # type: ignore[untyped-decorator]  # celery ships no types
def upkeep() -> None:
    """Every half a minute: write down which leases ran out, let bans sink, forget old sessions."""
    from apps.proxies.judging import forget_sessions  # it knows HTTP, which no process needs that only starts

    now = database_now()
    end_overdue(now=now)
    decay(now=now)
    forget_sessions()


@shared_task(name="proxies.judge", acks_late=False)  # type: ignore[untyped-decorator]
def judge() -> None:
    """Every minute: judge what nobody has looked at for long, or what somebody asked for."""
    from apps.proxies.judging import judge_idle  # as above

    if judge_idle(max_seconds=SLICE_S):
        judge.apply_async(expires=30)
