"""What the page of a watched function says: read here, shown by `templates/runtime/functions/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core.charts import Chart, Series, chart_of
from apps.runtime.function_models import AppFunction, FunctionLog
from apps.runtime.templatetags.functions import ms

#: Runs in the chart and the table of a function.
RUNS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class FunctionPage:
    """Everything the page of a function shows; the newest run comes first."""

    function: AppFunction
    logs: list[FunctionLog]
    chart: Chart | None


def function_page(function: AppFunction) -> FunctionPage:
    """Read what the page of `function` shows."""
    logs = list(
        FunctionLog.objects.filter(function=function)
        .select_related("runtime", "parent")
        .defer("sketch", "callers", "parent__sketch", "runtime__args", "runtime__log_counts")
        .order_by("-first_start_at", "-id")[:RUNS_SHOWN]
    )
    return FunctionPage(function, logs, _chart([log for log in reversed(logs) if log.p95_ms is not None]))


def _chart(logs: Sequence[FunctionLog]) -> Chart | None:
    """The chart of these runs, oldest first; None where one cannot see a trend yet."""
    if len(logs) < 2:
        return None
    series = []
    for name, values in (("p50", [log.p50_ms or 0.0 for log in logs]), ("p95", [log.p95_ms or 0.0 for log in logs])):
        titles = [
            f"{name} {ms(value)}, " + _("run %(run)s") % {"run": log.runtime_id[:8]}
            for log, value in zip(logs, values, strict=True)
        ]
        series.append(Series(name, values, titles))
    first, last = (f"{timezone.localtime(log.first_start_at):%Y-%m-%d %H:%M}" for log in (logs[0], logs[-1]))
    return chart_of(series, tick=ms, first=first, last=last)
