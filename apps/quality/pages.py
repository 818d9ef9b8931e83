"""What the page of a dataset says: read here, shown by `templates/quality/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core.charts import Chart, Series, chart_of
from apps.core.templatetags.facts import number
from apps.quality.in_force import InForce, rule_book
from apps.quality.models import Dataset, LetThrough, Measurement, Outcome, Rule
from apps.quality.selectors import held_rows
from apps.quality.templatetags.quality import share
from collectors.toolkit.quality.kinds import COMMON, BadRule

#: Merges in the charts and in the table.
MERGES_SHOWN = 60


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule as the page shows it."""

    name: str
    kind: str
    severity: Rule.Severity
    origin: str
    parameters: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPage:
    """Everything the page of a dataset shows; the newest merge comes first."""

    dataset: Dataset
    outcome: Outcome
    last: Measurement | None
    measurements: list[Measurement]
    held: int
    rules: list[RuleLine]
    problem: str
    """Why the rules cannot be used; empty when they can."""
    let_through: LetThrough | None
    rows: Chart | None
    shares: Chart | None


def dataset_page(dataset: Dataset, *, now: datetime) -> DatasetPage:
    """Read what the page of `dataset` shows."""
    measurements = list(Measurement.objects.filter(dataset=dataset)[:MERGES_SHOWN])
    rules, problem = _rules(dataset.label)
    open_ones = LetThrough.objects.filter(dataset=dataset.label, used_at__isnull=True, expires_at__gt=now)
    return DatasetPage(
        dataset=dataset,
        outcome=Outcome(dataset.outcome),
        last=measurements[0] if measurements else None,
        measurements=measurements,
        held=held_rows(dataset=dataset.label).count(),
        rules=rules,
        problem=problem,
        let_through=open_ones.first(),
        rows=_rows_chart(measurements[::-1]),
        shares=_shares_chart([one for one in reversed(measurements) if one.completeness is not None]),
    )


def _rules(label: str) -> tuple[list[RuleLine], str]:
    rows = list(Rule.objects.filter(label=label, is_enabled=True))
    try:
        book = rule_book(apps.get_model(label), rows)
    except LookupError:
        return [], _(
            "The table %(table)s is not on this machine, so only the rules of this installation are known."
        ) % {"table": label}
    except BadRule as error:
        return [], str(error)
    lines = [_line(one) for one in book.rules]
    if book.row_model is not None:
        lines.append(
            RuleLine(book.row_model.__name__, "row_model", Rule.Severity(book.row_model_severity), "room", "pydantic")
        )
    return lines, ""


def _line(one: InForce) -> RuleLine:
    given = one.rule.model_dump(mode="json", exclude=set(COMMON), exclude_defaults=True)
    parameters = ", ".join(f"{name} {_shown(value)}" for name, value in given.items())
    return RuleLine(one.name, one.rule.kind, Rule.Severity(one.rule.severity), one.origin, parameters or _("as usual"))


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _rows_chart(merges: Sequence[Measurement]) -> Chart | None:
    if len(merges) < 2:
        return None
    bad = [one.outcome == Outcome.BLOCK for one in merges]
    came = [one.seen - one.quarantined for one in merges]
    gone = [one.archived + one.deleted for one in merges]
    titles = [
        _("%(count)s rows came, run %(run)s") % {"count": number(value), "run": one.runtime[:8]}
        for one, value in zip(merges, came, strict=True)
    ]
    others = [
        _("%(count)s archived, run %(run)s") % {"count": number(value), "run": one.runtime[:8]}
        for one, value in zip(merges, gone, strict=True)
    ]
    series = [Series(_("rows"), came, titles, bad), Series(_("archived"), gone, others)]
    return chart_of(series, tick=number, first=_when(merges[0]), last=_when(merges[-1]))


def _shares_chart(merges: Sequence[Measurement]) -> Chart | None:
    if len(merges) < 2:
        return None
    full = [100 * (one.completeness or 0.0) for one in merges]
    right = [100 * (one.consistency if one.consistency is not None else 1.0) for one in merges]
    titles = [
        _("%(share)s complete, run %(run)s") % {"share": share(value / 100), "run": one.runtime[:8]}
        for one, value in zip(merges, full, strict=True)
    ]
    others = [
        _("%(share)s consistent, run %(run)s") % {"share": share(value / 100), "run": one.runtime[:8]}
        for one, value in zip(merges, right, strict=True)
    ]
    series = [Series(_("completeness"), full, titles), Series(_("consistency"), right, others)]
    first, last = _when(merges[0]), _when(merges[-1])
    return chart_of(series, tick=lambda value: f"{value:.0f} %", first=first, last=last, top=100.0)


def _when(one: Measurement) -> str:
    return f"{timezone.localtime(one.at):%Y-%m-%d %H:%M}"
