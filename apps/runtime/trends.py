"""How long the runs of an app take and how many rows they see: each run beside what is usual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core.charts import Chart, Series, Usual, chart_of, usual_of
from apps.core.templatetags.facts import number, span
from apps.runtime.models import Runtime, State
from apps.runtime.verdicts import FAILURES

#: Runs that say something about what is usual, and those drawn beside them.
TOLD = (State.SUCCEEDED, State.STOPPED, *FAILURES)
#: Two charts stand beside each other.
HALF = 520


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A figure of the newest runs, and how the last of them compares."""

    key: str
    title: str
    chart: Chart | None
    usual: Usual | None
    count: int
    """How many runs `usual` was made of."""
    usual_text: str
    last_text: str
    verdict: str
    """Whether the last run was unusual, as a sentence; empty where it was usual, or where that is not known."""


@dataclass(frozen=True, slots=True)
class _Figure:
    key: str
    title: str
    read: Callable[[Runtime], float]
    write: Callable[[float], str]
    less: str
    more: str


def trends_of(runs: Sequence[Runtime]) -> list[Trend]:
    """The trends of these runs of one app, oldest first. A dry run, or one that never began, says nothing."""
    told = [run for run in runs if run.state in TOLD and run.started_at and run.ended_at and not run.is_dry_run]
    return [_trend(figure, told) for figure in _figures()]


def took_s(run: Runtime) -> float:
    """Seconds from its start to its end; 0 while it has neither."""
    return (run.ended_at - run.started_at).total_seconds() if run.started_at and run.ended_at else 0.0


def _figures() -> list[_Figure]:
    shorter, longer = _("The last run was shorter than usual."), _("The last run took longer than usual.")
    fewer, more = _("The last run saw fewer rows than usual."), _("The last run saw more rows than usual.")
    return [
        _Figure("took", _("Duration"), took_s, span, shorter, longer),
        _Figure("seen", _("Rows seen"), lambda run: float(run.rows_seen), number, fewer, more),
    ]


def _trend(figure: _Figure, runs: Sequence[Runtime]) -> Trend:
    good = [figure.read(run) for run in runs if run.state == State.SUCCEEDED]
    usual = usual_of(good)
    values = [figure.read(run) for run in runs]
    word = usual.word(values[-1]) if usual and values else ""
    return Trend(
        key=figure.key,
        title=figure.title,
        chart=_chart(figure, runs, values, usual),
        usual=usual,
        count=len(good),
        usual_text=_usual_text(figure, usual) if usual else "",
        last_text=figure.write(values[-1]) if values else "",
        verdict={"less": figure.less, "more": figure.more}.get(word, ""),
    )


def _usual_text(figure: _Figure, usual: Usual) -> str:
    low, middle, high = (figure.write(value) for value in (usual.low, usual.middle, usual.high))
    return (
        low
        if low == high
        else _("%(low)s to %(high)s, half of them below %(middle)s")
        % {
            "low": low,
            "high": high,
            "middle": middle,
        }
    )


def _chart(figure: _Figure, runs: Sequence[Runtime], values: Sequence[float], usual: Usual | None) -> Chart | None:
    if len(runs) < 2:
        return None
    titles = [
        f"{figure.write(value)}, {run.get_state_display()}, {_when(run)}, {run.pk[:8]}"
        for run, value in zip(runs, values, strict=True)
    ]
    bad = [run.state in FAILURES for run in runs]
    series = [Series(figure.title, values, titles, bad)]
    return chart_of(series, tick=figure.write, first=_when(runs[0]), last=_when(runs[-1]), usual=usual, width=HALF)


def _when(run: Runtime) -> str:
    return f"{timezone.localtime(run.queued_at):%Y-%m-%d %H:%M}"
