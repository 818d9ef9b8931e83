"""Two runs of one app, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Max
from django.utils.translation import gettext as _

from apps.accounts.policy import may
from apps.core.templatetags.facts import as_json, legible, moment, number, size, span
from apps.logs.models import Log
from apps.runtime.function_models import FunctionLog
from apps.runtime.models import Runtime, State
from apps.runtime.templatetags.functions import ms
from apps.runtime.trends import TOLD, took_s

CHOICES = 30
FUNCTIONS_SHOWN = 10
ERRORS_SHOWN = 10
#: Error lines of a run that are looked at.
ERRORS_READ = 2_000
#: From which share of the other value on a change is worth a word.
NOTABLE = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """One thing, in the one run and in the other."""

    name: str
    other: str
    this: str
    change: str = ""
    is_different: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Lines about one matter."""

    key: str
    title: str
    lines: list[Line]
    empty: str = ""
    """What is said where there are no lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The page that compares two runs; without another run it says so."""

    run: Runtime
    other: Runtime | None
    choices: list[Runtime]
    sections: list[Section] = field(default_factory=list)


def compare_runs(run: Runtime, *, wanted: str, asker: Any) -> Comparison:
    """`run` beside the run whose id begins with `wanted`, or beside the one before it, where that is empty."""
    siblings = Runtime.objects.filter(app=run.app_id).exclude(pk=run.pk)
    choices = list(siblings.filter(state__in=TOLD).order_by("-queued_at", "-id")[:CHOICES])
    other = siblings.filter(pk__startswith=wanted[:32]).first() if wanted else previous_run(run)
    if other is None:
        return Comparison(run=run, other=None, choices=choices)
    sections = [
        Section("times", _("Times"), list(_times(run, other))),
        Section("numbers", _("Numbers"), list(_numbers(run, other))),
        Section("asked", _("Arguments and version"), list(_asked(run, other))),
    ]
    if may(asker, "logs.view_log", run):
        sections.append(Section("errors", _("Errors"), list(_errors(run, other)), _("Neither had an error.")))
    sections.append(
        Section(
            "functions", _("Slowest functions"), list(_functions(run, other)), _("Neither called a watched function.")
        )
    )
    return Comparison(run=run, other=other, choices=choices, sections=sections)


def previous_run(run: Runtime) -> Runtime | None:
    """The run of the app before this one that says something."""
    older = Runtime.objects.filter(app=run.app_id, state__in=TOLD, queued_at__lte=run.queued_at).exclude(pk=run.pk)
    return older.order_by("-queued_at", "-id").first()


def _times(run: Runtime, other: Runtime) -> Iterator[Line]:
    yield _plain(_("State"), run, other, lambda one: str(State(one.state).label))
    yield Line(_("Queued"), moment(other.queued_at), moment(run.queued_at))
    yield _amount(_("Waited"), run, other, _waited_s, span)
    yield _amount(_("Took"), run, other, lambda one: took_s(one) if one.started_at and one.ended_at else None, span)
    yield _amount(_("CPU"), run, other, lambda one: one.cpu_s, span)
    yield _amount(_("Memory, most"), run, other, lambda one: one.peak_memory_bytes, size)
    yield _plain(_("Machine"), run, other, lambda one: one.node or "-")


def _waited_s(run: Runtime) -> float | None:
    return (run.started_at - run.queued_at).total_seconds() if run.started_at else None


def _numbers(run: Runtime, other: Runtime) -> Iterator[Line]:
    names = {
        "rows_seen": _("Rows seen"),
        "rows_inserted": _("Inserted"),
        "rows_archived": _("Archived"),
        "rows_unchanged": _("Unchanged"),
        "rows_deleted": _("Deleted"),
        "rows_quarantined": _("Quarantined"),
        "failed": _("Items failed"),
        "request_count": _("Requests"),
        "exception_count": _("Exceptions"),
    }
    for name, title in names.items():
        yield _amount(title, run, other, lambda one, name=name: getattr(one, name), number)  # type: ignore[misc]
    yield _amount(_("Requests, 95 % within"), run, other, lambda one: one.request_p95_ms, ms)
    yield _plain(_("Saw everything"), run, other, lambda one: _yes_no(one, "is_complete"))


def _asked(run: Runtime, other: Runtime) -> Iterator[Line]:
    for name in sorted({*run.args, *other.args}):
        yield _plain(name, run, other, lambda one, name=name: as_json(one.args[name]) if name in one.args else "-")  # type: ignore[misc]
    if not run.args and not other.args:
        yield Line(_("Arguments"), _("none"), _("none"))
    yield _plain(_("Limit"), run, other, lambda one: number(one.limit))
    yield _plain(_("Dry run"), run, other, lambda one: _yes_no(one, "is_dry_run"))
    yield _plain(_("Version"), run, other, lambda one: one.code_version[:12] or "-")


def _yes_no(run: Runtime, name: str) -> str:
    value = getattr(run, name)
    return "-" if value is None else _("yes") if value else _("no")


def _errors(run: Runtime, other: Runtime) -> Iterator[Line]:
    here, there = _error_counts(run), _error_counts(other)
    most = (here[0] + there[0]).most_common(ERRORS_SHOWN)
    for key, _count in most:
        this, that = here[0][key], there[0][key]
        title = here[1].get(key) or there[1].get(key) or ""
        change = _("new") if not that else _("gone") if not this else ""
        yield Line(legible(title, 200), number(that), number(this), change, bool(change))


def _error_counts(run: Runtime) -> tuple[Counter[str], dict[str, str]]:
    """Fingerprint -> how often, and what one of its lines says; of the newest error lines."""
    if not any(run.log_counts.get(level) for level in ("ERROR", "CRITICAL")):
        return Counter(), {}
    lines = Log.objects.filter(runtime=run, level__gte=Log.Level.ERROR).order_by("-line_number")[:ERRORS_READ]
    grouped = Log.objects.filter(pk__in=lines.values("pk")).order_by()
    rows = list(grouped.values_list("fingerprint").annotate(Count("pk"), Max("message"), Max("exception")))
    titles = {key: ": ".join(filter(None, (text, _last_line(trace)))) for key, _count, text, trace in rows}
    return Counter({key: count for key, count, _text, _trace in rows}), titles


def _last_line(trace: str) -> str:
    """Of a traceback, what was raised."""
    return trace.strip().rpartition("\n")[2]


def _functions(run: Runtime, other: Runtime) -> Iterator[Line]:
    logs = FunctionLog.objects.filter(runtime__in=[run.pk, other.pk]).select_related("function")
    found: dict[str, dict[str, float]] = {}
    for log in logs.only("runtime_id", "total_ms", "function__qualified_name").order_by("-total_ms", "-id")[:200]:
        found.setdefault(log.function.qualified_name, {})[log.runtime_id] = log.total_ms
    for name, spent in list(found.items())[:FUNCTIONS_SHOWN]:
        yield _amount(name, run, other, lambda one, spent=spent: spent.get(one.pk), ms)  # type: ignore[misc]


def _plain(name: str, run: Runtime, other: Runtime, read: Callable[[Runtime], str]) -> Line:
    this, that = read(run), read(other)
    return Line(name, that, this, _("different") if this != that else "", this != that)


def _amount(
    name: str, run: Runtime, other: Runtime, read: Callable[[Runtime], float | None], write: Callable[[Any], str]
) -> Line:
    this, that = read(run), read(other)
    change = change_text(this, that)
    return Line(name, write(that), write(this), change, bool(change))


def change_text(this: float | None, that: float | None) -> str:
    """What became of a number, where that is worth a word: "+25 %", "12.0 x", "from none"."""
    if this is None or that is None or this == that:
        return ""
    if not that:
        return _("from none")
    share = (this - that) / that
    if abs(share) < NOTABLE:
        return ""
    return f"{this / that:.1f} \u00d7" if share >= 2 else f"{share:+.0%}".replace("%", " %").replace("-", "\u2212")
