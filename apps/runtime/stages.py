"""The stages of a run and its tries, as bars in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from apps.runtime.models import Runtime
from apps.runtime.verdicts import FAILURES

#: What a bar is drawn in, from 0 to this.
SCALE = 1000.0
#: A stage that took no time to speak of is still to be seen.
LEAST = 4.0
#: Runs of the app that are looked through for other tries of a run.
NEAR = 50


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run, and where its bar stands."""

    key: str
    """wait, start, work or finish."""
    name: str
    begun_at: datetime
    seconds: float
    x: float
    width: float
    is_open: bool = False
    """Whether it goes on."""

    @property
    def alone(self) -> list[Stage]:
        """Itself, for what draws several on one line."""
        return [self]


@dataclass(frozen=True, slots=True)
class Try:
    """One run of a chain of tries, with its bars on the axis of all of them."""

    run: Runtime
    stages: list[Stage]
    is_this: bool


_Spans = list[tuple[str, datetime, datetime, bool]]


def stages_of(run: Runtime, *, now: datetime) -> list[Stage]:
    """The stages that a run has been through, on an axis of its own."""
    return _drawn(_spans(run, now), run.queued_at, run.ended_at or now)


def tries_of(run: Runtime, *, now: datetime) -> list[Try]:
    """All tries of what this run is one try of, oldest first; none where it is the only one."""
    chain = [*_before(run), run, *_after(run)]
    if len(chain) < 2:
        return []
    first, last = chain[0].queued_at, max(one.ended_at or now for one in chain)
    return [Try(one, _drawn(_spans(one, now), first, last), one.pk == run.pk) for one in chain]


def _names() -> dict[str, str]:
    return {
        "pause": _("Waited to be tried again"),
        "wait": _("Queued"),
        "start": _("Starting"),
        "work": _("Running"),
        "finish": _("Finishing"),
    }


def _spans(run: Runtime, now: datetime) -> _Spans:
    """Stage, from, to, and whether it goes on. Moments of other clocks are kept between those of the database."""
    last = max(run.ended_at or now, run.queued_at)
    points: list[tuple[str, datetime]] = [("wait", run.queued_at)]
    if run.not_before is not None and run.not_before > run.queued_at:
        points = [("pause", run.queued_at), ("wait", run.not_before)]
    for key, at in (
        ("start", run.claimed_at or run.started_at),
        ("work", run.begun_at or run.started_at),
        ("finish", run.done_at),
    ):
        if at is not None:
            points.append((key, at))
    ordered: list[tuple[str, datetime]] = []
    for key, at in points:
        floor = ordered[-1][1] if ordered else run.queued_at
        ordered.append((key, min(max(at, floor), last)))
    ends = [at for _key, at in ordered[1:]] + [last]
    spans = [(key, at, end, False) for (key, at), end in zip(ordered, ends, strict=True)]
    if not run.has_ended and spans:
        key, at, end, _open = spans[-1]
        spans[-1] = (key, at, end, True)
    return [span for span in spans if span[0] != "start" or span[2] > span[1] or run.begun_at or span[3]]


def _drawn(spans: _Spans, first: datetime, last: datetime) -> list[Stage]:
    whole = max((last - first).total_seconds(), 1e-6)
    names, drawn = _names(), []
    for key, at, end, is_open in spans:
        width = max(LEAST, SCALE * (end - at).total_seconds() / whole)
        x = min(SCALE * (at - first).total_seconds() / whole, SCALE - width)
        drawn.append(
            Stage(key, names[key], at, (end - at).total_seconds(), round(max(0.0, x), 1), round(width, 1), is_open)
        )
    return drawn


def _before(run: Runtime) -> list[Runtime]:
    if run.attempt <= 1:
        return []
    older = Runtime.objects.filter(app=run.app_id, queued_at__lt=run.queued_at).order_by("-queued_at", "-id")
    return _chain(run, older[:NEAR], step=-1)[::-1]


def _after(run: Runtime) -> list[Runtime]:
    if run.state not in FAILURES:
        return []
    newer = Runtime.objects.filter(app=run.app_id, queued_at__gte=run.ended_at).exclude(pk=run.pk)
    return _chain(run, newer.order_by("queued_at", "id")[:NEAR], step=1)


def _chain(run: Runtime, others: Iterable[Runtime], *, step: int) -> list[Runtime]:
    """The tries next to `run`, in this direction. A try is queued in the transaction that ends the one before it."""
    found = [run]
    for other in others:
        earlier, later = (other, found[-1]) if step < 0 else (found[-1], other)
        follows = later.trigger == Runtime.Trigger.RETRY and later.attempt == earlier.attempt + 1
        if follows and earlier.state in FAILURES:
            found.append(other)
        if found[-1].attempt <= 1 and step < 0:
            break
    return found[1:]
