# NEVER EDIT THIS FILE. It was written against the first version of the contract of sources, and has to run unchanged
# for as long as that contract stands (tests/compat/README.md). If it fails, what broke it is what needs repair.
from __future__ import annotations

from django.db import models

from apps.records.models import DataTable


class Reading(DataTable):
    natural_key = ("station", "taken_at")
    scope_fields = ("station",)

    station = models.CharField(max_length=20)
    taken_at = models.DateTimeField()
    celsius = models.FloatField(null=True)
