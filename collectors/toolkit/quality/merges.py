"""Rules about a merge as a whole: its numbers, against what was there and what is usual."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from collectors.contract import MergeResult
from collectors.toolkit.quality.rules import Family, FieldName, Rule, Severity
from collectors.toolkit.quality.statistics import spread_of

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a merge before it is committed."""

    dataset: str
    """The name of the model, for people."""
    result: MergeResult
    current: int
    """Rows that were current before, in the scope of the merge; 0 where the merge archives nothing by itself."""
    takes_away: bool
    """Whether rows that did not come in are archived or deleted."""
    now: datetime
    is_complete: bool = True
    """Whether the run saw all there is to see."""
    history: Sequence[int] = ()
    """Rows of earlier merges that were stored, newest first."""
    last_good_at: datetime | None = None
    """When a merge was stored last."""
    newest: Mapping[str, date | datetime | None] = field(default_factory=dict)
    """Field -> its latest value among the rows that came in."""

    @property
    def usable(self) -> int:
        """Rows that came in and were not put aside."""
        return self.result.seen - self.result.quarantined

    @property
    def lost(self) -> int:
        """Current rows that go without a successor."""
        return self.result.archived - self.result.changed + self.result.deleted


class MergeRule(Rule, ABC):
    """Looks at a merge as a whole."""

    severities: ClassVar[tuple[Severity, ...]] = ("block", "warn")
    severity: Literal["warn", "block"] = "block"

    @abstractmethod
    def fault(self, facts: Facts) -> str:
        """What is wrong, as a sentence without its dot; empty where nothing is."""


class EmptyResult(MergeRule):
    """A merge that brought nothing, while rows would be taken away for it."""

    kind: ClassVar[str] = "empty_result"
    family: ClassVar[Family] = "volume"

    allowed: bool = False
    """An empty result is ordinary here."""

    def fault(self, facts: Facts) -> str:
        if self.allowed or facts.usable or not (facts.takes_away and facts.current):
            return ""
        if facts.result.seen:
            return (
                f"{facts.dataset}: all {facts.result.seen} rows were put aside while {facts.current} are current; "
                "nothing was archived"
            )
        return f"{facts.dataset}: the run brought no rows while {facts.current} are current; nothing was archived"


class ArchivedShare(MergeRule):
    """A merge that would take away too many of the current rows. A changed row has a successor, and does not count."""

    kind: ClassVar[str] = "archived_share"
    family: ClassVar[Family] = "volume"

    maximum: Share = 0.5
    at_least: Annotated[int, Field(ge=1)] = 1
    """Fewer rows than this may always go."""

    def fault(self, facts: Facts) -> str:
        # An empty result is for the other rule: it says more.
        if not facts.usable or facts.lost < self.at_least or facts.lost <= self.maximum * facts.current:
            return ""
        what = "deleted" if facts.result.deleted else "archived"
        return (
            f"{facts.dataset}: {facts.lost} of {facts.current} current rows would be {what}, more than "
            f"{self.maximum:.0%}; nothing was written"
        )


class RowCount(MergeRule):
    """How many rows come in: within fixed limits, and near what is usual."""

    kind: ClassVar[str] = "row_count"
    family: ClassVar[Family] = "volume"

    minimum: Count | None = None
    maximum: Count | None = None
    tolerance: Annotated[float, Field(gt=0)] | None = None
    """So many robust deviations from the median of earlier merges are ordinary."""
    history: Annotated[int, Field(ge=3, le=100)] = 30
    """So many earlier merges count."""
    cold_start: Annotated[int, Field(ge=2, le=100)] = 5
    """With fewer of them nothing is usual yet."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.minimum is None and self.maximum is None and self.tolerance is None:
            raise ValueError("name a minimum, a maximum or a tolerance")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("the minimum is above the maximum")
        if self.cold_start > self.history:
            raise ValueError("cold_start asks for more merges than history holds")
        return self

    def fault(self, facts: Facts) -> str:
        if not facts.is_complete:
            return ""  # a run that was limited or stopped says nothing about how many there are
        came = facts.usable
        if self.minimum is not None and came < self.minimum:
            return f"{facts.dataset}: {came} rows came, at least {self.minimum} are expected"
        if self.maximum is not None and came > self.maximum:
            return f"{facts.dataset}: {came} rows came, at most {self.maximum} are expected"
        known = facts.history[: self.history]
        if self.tolerance is None or len(known) < self.cold_start:
            return ""
        usual = spread_of(known)
        if usual.distance(came) <= self.tolerance:
            return ""
        lowest = max(0, usual.middle - self.tolerance * usual.deviation)
        highest = usual.middle + self.tolerance * usual.deviation
        return f"{facts.dataset}: {came} rows came; between {lowest:.0f} and {highest:.0f} are usual"


class Freshness(MergeRule):
    """How old the news is: the latest value of a field, or, without one, the last merge that was stored."""

    kind: ClassVar[str] = "freshness"
    family: ClassVar[Family] = "freshness"

    max_age_hours: Annotated[float, Field(gt=0, le=24 * 3660)]
    field: FieldName | None = None

    @model_validator(mode="after")
    def _may_recover(self) -> Self:
        if self.field is None and self.severity == "block":
            raise ValueError("without a field it can only warn: a merge that comes late would never be let in again")
        return self

    def field_names(self) -> tuple[str, ...]:
        return (self.field,) if self.field else ()

    def fault(self, facts: Facts) -> str:
        if self.field is None:
            return self._late(facts)
        newest = facts.newest.get(self.field)
        if not facts.usable:
            return ""
        if newest is None:
            return f'{facts.dataset}: no row has a value in "{self.field}", so nobody knows how old they are'
        if _age(newest, facts.now) <= timedelta(hours=self.max_age_hours):
            return ""
        return f'{facts.dataset}: the latest "{self.field}" is {newest}, older than {self.max_age_hours:g} hours'

    def _late(self, facts: Facts) -> str:
        if facts.last_good_at is None or facts.now - facts.last_good_at <= timedelta(hours=self.max_age_hours):
            return ""
        hours = (facts.now - facts.last_good_at).total_seconds() / 3600
        return f"{facts.dataset}: the merge before was {hours:.1f} hours ago, more than {self.max_age_hours:g}"


def _age(newest: date | datetime, now: datetime) -> timedelta:
    return now - newest if isinstance(newest, datetime) else now.date() - newest
