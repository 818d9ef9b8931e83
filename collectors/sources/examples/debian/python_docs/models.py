"""Modules of Python's standard library, as the documentation describes them."""

from __future__ import annotations

from django.db import models

from apps.records.models import DataTable


class Module(DataTable):
    natural_key = ("name",)

    name = models.CharField(max_length=100)
    synopsis = models.CharField(max_length=300, blank=True)
    platform = models.CharField(max_length=100, blank=True, help_text="Empty: available everywhere.")
    is_deprecated = models.BooleanField(default=False)
    page = models.CharField(max_length=200, help_text="Relative to the root of the documentation.")
    source_url = models.URLField(max_length=300, blank=True, help_text="Where the page says the source code is.")

    class Meta:
        verbose_name = "module"

    def __str__(self) -> str:
        return self.name
