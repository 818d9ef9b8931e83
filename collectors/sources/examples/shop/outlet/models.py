"""Damaged copies in the outlet of the demo shop."""

from __future__ import annotations

from django.db import models

from apps.records.models import DataTable


class Copy(DataTable):
    natural_key = ("number",)

    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=8, decimal_places=2, help_text="In euros.")

    class Meta:
        verbose_name = "copy"
        verbose_name_plural = "copies"

    def __str__(self) -> str:
        return f"{self.title} ({self.number})"
