"""The states of a list as tabs, each with how many there are, counted in one query and never to the end of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import IntegerField, QuerySet, Subquery
from django.http import HttpRequest

from apps.core.admin import QuietChangeList

#: Counted no further: "1 000+" says all one needs, and a thousand entries of an index are read in a millisecond.
MOST = 1_000


class BoundedCount(Subquery):
    """How many rows a query of one column finds, up to its limit."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) _counted)"
    output_field = IntegerField()


@dataclass(frozen=True, slots=True)
class Tab:
    """A value of the filter that the tabs stand for; empty for all rows."""

    value: str
    title: Any


@dataclass(frozen=True, slots=True)
class ShownTab:
    """A tab as the page shows it."""

    title: str
    url: str
    is_current: bool
    count: int | None
    """None: not counted."""
    is_more: bool


class TabbedChangeList(QuietChangeList):
    """Its admin class says which filter is shown as tabs (`tab_filter`), and which (`tabs`)."""

    shown_tabs: Sequence[ShownTab] = ()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        admin: Any = self.model_admin
        counts = self._counts(request, admin.tab_filter, admin.tabs)
        name = admin.tab_filter.parameter_name
        current = self.get_filters_params().get(name, [""])[-1]
        self.shown_tabs = [
            ShownTab(
                title=str(tab.title),
                url=self.get_query_string({name: tab.value} if tab.value else {}, [] if tab.value else [name]),
                is_current=tab.value == current,
                count=None if (count := counts.get(tab.value)) is None else min(count, MOST),
                is_more=count is not None and count > MOST,
            )
            for tab in admin.tabs
        ]

    def _counts(self, request: HttpRequest, chosen: Any, tabs: Sequence[Tab]) -> dict[str, int]:
        """Value -> rows, with every other filter applied. Nothing is counted while somebody searches, or asks for
        something that no filter of the list knows."""
        known = {name for spec in self.filter_specs for name in spec.expected_parameters()}
        if self.query or set(self.get_filters_params()) - known:
            return {}
        rows = self.root_queryset
        for spec in self.filter_specs:
            if not isinstance(spec, chosen):
                narrowed = spec.queryset(request, rows)
                rows = rows if narrowed is None else narrowed
        values = [tab.value for tab in tabs if tab.value]
        counted = {
            f"tab_{place}": BoundedCount(_of(chosen, rows, value, request, self.model_admin))
            for place, value in enumerate(values)
        }
        # One row to hang the counts on; where there is none, there is nothing to count.
        found = self.model._base_manager.order_by("pk").values(**counted)[:1]
        line = next(iter(found), dict.fromkeys(counted, 0))
        return {value: line[f"tab_{place}"] for place, value in enumerate(values)}


def _of(chosen: Any, rows: QuerySet[Any], value: str, request: HttpRequest, admin: Any) -> QuerySet[Any]:
    """The rows that the filter finds for this value."""
    one = chosen(request, {chosen.parameter_name: [value]}, rows.model, admin)
    return one.queryset(request, rows).order_by().values("pk")[: MOST + 1]  # type: ignore[no-any-return]


class Tabbed:
    """For the admin class of a list: `tab_filter` is one of its `list_filter`, `tabs` the values worth a tab."""

    list_before_template = "core/tabs.html"
    tab_filter: Any
    tabs: Sequence[Tab] = ()
    #: What to do where there is nothing yet.
    empty_hint: Any = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[TabbedChangeList]:
        return TabbedChangeList
