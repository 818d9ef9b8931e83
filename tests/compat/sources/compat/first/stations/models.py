# NEVER EDIT THIS FILE. It was written against the first version of the contract of sources, and has to run unchanged
# for as long as that contract stands (tests/compat/README.md). If it fails, what broke it is what needs repair.
from __future__ import annotations

from django.db import models

from apps.records.models import DataTable


class Station(DataTable):
    natural_key = ("country", "code")
    scope_fields = ("country",)

    country = models.CharField(max_length=2)
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    height_m = models.DecimalField(max_digits=6, decimal_places=1, null=True)
    is_open = models.BooleanField(default=True)


class Network(DataTable):
    natural_key = ("name",)

    name = models.CharField(max_length=100)
    stations = models.PositiveIntegerField()
