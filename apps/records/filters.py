"""Filters that the list of a table has because of the fields of its model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.records.models import DataTable
from apps.records.rows import business_fields

#: The values that a filter offers are those of so many of the newest rows, and no more than so many.
LOOKED_AT, OFFERED = 500, 12

#: Address parameters of the list that belong to no field.
ROWS, AS_OF, AT = "rows", "as_of", "at"


def field_filters(model: type[DataTable]) -> list[Any]:
    """Choices, booleans and scope fields by value, dates by range."""
    found: list[Any] = []
    for field in business_fields(model):
        if field.choices or isinstance(field, models.BooleanField):
            found.append(field.name)
        elif isinstance(field, models.DateField):
            found.append((field.name, RangeFilter))
        elif field.name in model.scope_fields:
            found.append((field.name, ValueFilter))
    return [*found, ("created_at", RangeFilter)]


class VersionFilter(admin.SimpleListFilter):
    """Current rows, unless one asks for history. The list applies it, because it depends on the moment (`as_of`)."""

    title = _("version")
    parameter_name = ROWS

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("archived", _("Archived")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        options = [(None, _("Current")), *self.lookup_choices]
        for value, title in options:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class RunFilter(admin.SimpleListFilter):
    """Rows that one run wrote or archived; the page of a run links here."""

    title = _("run")
    parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        chosen = self.used_parameters.get(self.parameter_name)
        return [(str(chosen), _("touched by %(run)s") % {"run": str(chosen)[:8]})] if chosen else []

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        run = self.value()
        return queryset.filter(Q(runtime=run) | Q(archived_by=run)) if run else queryset


class FieldFilter(admin.FieldListFilter):
    """A filter with inputs of its own. What cannot be understood is a sentence in `problem`, and finds nothing."""

    problem = ""

    def __init__(
        self, field: Any, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any, field_path: str
    ) -> None:
        self.field_path = field_path
        self.given = {name: str(params[name][-1]).strip() for name in self.parameters() if name in params}
        super().__init__(field, request, params, model, model_admin, field_path)

    def parameters(self) -> list[str]:
        """The address parameters of this filter."""
        raise NotImplementedError

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters()]

    def hidden(self, changelist: Any) -> list[tuple[str, str]]:
        """What the form of this filter sends along so that the rest of the list stays as it is."""
        left_out = {*self.parameters(), PAGE_VAR}
        return [(name, value) for name, value in changelist.params.items() if name not in left_out]


class ValueFilter(FieldFilter):
    """One value of a field, typed in or chosen among those of the newest rows."""

    template = "records/filter_value.html"

    def __init__(
        self, field: Any, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        newest = model._default_manager.order_by("-pk").values_list(field_path, flat=True)[:LOOKED_AT]
        self.offered = sorted({value for value in newest if value is not None}, key=str)[:OFFERED]

    def parameters(self) -> list[str]:
        return [self.field_path]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = self.given.get(self.field_path, "")
        if not text:
            return queryset
        try:
            value = self.field.clean(text, None) if not isinstance(self.field, models.CharField) else text
        except ValidationError as error:
            self.problem = f"{str(self.title).capitalize()}: {' '.join(error.messages)}"
            return queryset.none()
        return queryset.filter(**{self.field_path: value})

    def choices(self, changelist: Any) -> Iterator[Any]:
        given = self.given.get(self.field_path, "")
        yield {
            "name": self.field_path,
            "given": given,
            "hidden": self.hidden(changelist),
            "all": changelist.get_query_string(remove=self.parameters()),
            "offered": [
                (str(value), str(value) == given, changelist.get_query_string({self.field_path: value}))
                for value in self.offered
            ],
        }


class RangeFilter(FieldFilter):
    """From one day to another, both included; either may be left open."""

    template = "records/filter_range.html"

    def parameters(self) -> list[str]:
        return [f"{self.field_path}__from", f"{self.field_path}__to"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for name, lookup, days in zip(self.parameters(), ("gte", "lt"), (0, 1), strict=True):
            text = self.given.get(name, "")
            if not text:
                continue
            try:
                bound = self._bound(date.fromisoformat(text) + timedelta(days=days))
            except (ValueError, OverflowError):
                self.problem = _('%(field)s: "%(text)s" is not a date; write it as 2026-10-31.') % {
                    "field": str(self.title).capitalize(),
                    "text": text[:40],
                }
                return queryset.none()
            queryset = queryset.filter(**{f"{self.field_path}__{lookup}": bound})
        return queryset

    def _bound(self, day: date) -> date:
        if not isinstance(self.field, models.DateTimeField):
            return day
        return datetime.combine(day, time(), tzinfo=timezone.get_current_timezone())

    def choices(self, changelist: Any) -> Iterator[Any]:
        begin, end = self.parameters()
        yield {
            "from": begin,
            "to": end,
            "given_from": self.given.get(begin, ""),
            "given_to": self.given.get(end, ""),
            "hidden": self.hidden(changelist),
            "all": changelist.get_query_string(remove=self.parameters()),
            "is_active": any(self.given.values()),
        }
