"""What $code collects."""

from __future__ import annotations

from django.db import models

from apps.records.models import DataTable


class Item(DataTable):
    natural_key = ("number",)

    number = models.CharField(max_length=13, help_text="Tells one item from another.")
    title = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        verbose_name = "item"

    def __str__(self) -> str:
        return self.title
