"""Tables that only the tests of the merge have; they are on `default`, or on `data` where that is a SQL Server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, models, router
from django.test.utils import isolate_apps

from apps.records.models import DataTable
from apps.records.store import DjangoRecordStore

ALIAS = "data" if os.environ.get("DC_TEST_BACKEND") == "sqlserver" else "default"

with isolate_apps("apps.records"):

    class City(DataTable):
        natural_key = ("country", "name")
        scope_fields = ("country",)
        unhashed_fields = ("page",)

        country = models.CharField(max_length=2)
        name = models.CharField(max_length=40)
        people = models.IntegerField(null=True)
        area = models.DecimalField(max_digits=8, decimal_places=2, null=True)
        is_capital = models.BooleanField(default=False)
        height = models.FloatField(null=True)
        founded = models.DateField(null=True)
        seen_at = models.DateTimeField(null=True)
        note = models.TextField(blank=True)
        extra = models.JSONField(null=True)
        page = models.URLField(blank=True)

        class Meta(DataTable.Meta):
            app_label = "records"
            db_table = "test_city"

    class Reading(DataTable):
        """A key of many kinds, one of which may be NULL."""

        natural_key = ("sensor", "batch", "day", "taken_at", "is_test")

        sensor = models.UUIDField()
        batch = models.IntegerField(null=True)
        day = models.DateField()
        taken_at = models.DateTimeField()
        is_test = models.BooleanField()
        value = models.FloatField()

        class Meta(DataTable.Meta):
            app_label = "records"
            db_table = "test_reading"

    class Price(DataTable):
        """A key whose binary form is left to the driver."""

        natural_key = ("amount",)

        amount = models.DecimalField(max_digits=8, decimal_places=2)
        currency = models.CharField(max_length=3)

        class Meta(DataTable.Meta):
            app_label = "records"
            db_table = "test_price"


class _Router:
    """Where these tables are; they are of no room."""

    def db_for_read(self, model: type[models.Model], **_: Any) -> str | None:
        return ALIAS if model in (City, Reading, Price) else None

    db_for_write = db_for_read


router.routers.insert(0, _Router())


@contextmanager
def made(*tables: type[DataTable]) -> Iterator[None]:
    """These tables exist, empty."""
    with connections[ALIAS].schema_editor() as editor:
        for table in tables:
            editor.create_model(table)
    try:
        yield
    finally:
        with connections[ALIAS].schema_editor() as editor:
            for table in tables:
                editor.delete_model(table)


def store(run: str = "a" * 32, **options: Any) -> DjangoRecordStore:
    return DjangoRecordStore(runtime_id=run, dry_run=options.pop("dry_run", False), **options)


def city(name: str, people: Any = 1, **values: Any) -> dict[str, Any]:
    return {"country": "hr", "name": name, "people": people, **values}


def current(table: type[DataTable] = City) -> dict[Any, DataTable]:
    rows = table.objects.using(ALIAS).current()
    return {tuple(getattr(row, name) for name in table.natural_key): row for row in rows}
