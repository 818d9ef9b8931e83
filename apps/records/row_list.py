"""The list of a table: its rows now or at a moment, counted cheaply."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib.admin.views.main import PAGE_VAR
from django.db import DatabaseError, connections, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from apps.accounts.policy import may
from apps.core.admin import BoundedPaginator, QuietChangeList
from apps.core.clock import utc_now
from apps.records.filters import AS_OF, AT, ROWS, FieldFilter
from apps.records.moments import BadMoment, read_moment
from apps.records.selectors import WHICH, Which, app_code, as_it_stood, kept_runs


def may_see_runs(request: HttpRequest, model: type[Model]) -> bool:
    """Whether this person may see the runs that write the table."""
    return may(request.user, "runtime.view_runtime", app_code(model))


class TablePaginator(BoundedPaginator):
    """Says about how many rows there are where it does not count them."""

    @cached_property
    def about(self) -> int | None:
        """What PostgreSQL expects to find, from the statistics it keeps; None where nobody knows."""
        if not self.is_bounded or not isinstance(self.object_list, QuerySet):
            return None
        alias = self.object_list.db
        if connections[alias].vendor != "postgresql":
            return None
        try:
            with transaction.atomic(using=alias):
                plan = json.loads(self.object_list.order_by().explain(format="json"))
            expected = int(plan[0]["Plan"]["Plan Rows"])
        except (DatabaseError, ValueError, LookupError, TypeError):
            return None
        return expected if expected > self.BOUND else None


class RowChangeList(QuietChangeList):
    """Applies the version and the moment of the address; what is wrong with the address is in `problems`."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.which: Which = next((which for which in WHICH if which == request.GET.get(ROWS)), "current")
        self.day, self.clock = request.GET.get(AS_OF, "").strip(), request.GET.get(AT, "").strip()
        self.moment: datetime | None = None
        self.problems: list[str] = []
        try:
            self.moment = _asked_moment(self.day, self.clock)
        except BadMoment as error:
            self.problems.append(str(error))
        super().__init__(request, *args, **kwargs)

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        wanted: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in wanted.items() if name not in (AS_OF, AT)}

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        rows = super().get_queryset(request, *args, **kwargs)
        self.problems += [spec.problem for spec in self.filter_specs if isinstance(spec, FieldFilter) and spec.problem]
        return rows.none() if self.problems else as_it_stood(rows, self.which, self.moment)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.moment is not None:
            self.full_result_count = None
        self.result_list = list(self.result_list)
        runs = {row.runtime for row in self.result_list} if may_see_runs(request, self.model) else set()
        kept = kept_runs(runs)
        for row in self.result_list:
            row.is_run_kept = row.runtime in kept

    def hidden(self) -> list[tuple[str, str]]:
        """What a form sends along to change nothing but the moment."""
        return [(name, value) for name, value in self.params.items() if name not in (AS_OF, AT, PAGE_VAR)]

    @property
    def shows_clock(self) -> bool:
        """Whether a time was asked for, or only a day."""
        return bool(self.clock) or "T" in self.day

    def now_link(self) -> str:
        """The same list as it is now."""
        return str(self.get_query_string(remove=[AS_OF, AT]))


def _asked_moment(day: str, clock: str) -> datetime | None:
    if day:
        return read_moment(day, clock, now=utc_now())
    if clock:
        raise BadMoment(_('"%(time)s" is a time without a date: say which day you mean.') % {"time": clock[:40]})
    return None
