"""One shelf of the demo shop."""

from __future__ import annotations

from django.db import models

from apps.records.models import DataTable


class ShelfBook(DataTable):
    natural_key = ("isbn",)

    isbn = models.CharField("ISBN", max_length=13)
    title = models.CharField(max_length=200)
    author = models.CharField(max_length=200)
    category = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2, help_text="In euros.")

    class Meta:
        verbose_name = "book on the shelf"
        verbose_name_plural = "books on the shelf"

    def __str__(self) -> str:
        return self.title
