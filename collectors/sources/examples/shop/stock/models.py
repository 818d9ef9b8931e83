"""How many copies of each book the branches of the demo shop have."""

from __future__ import annotations

from django.db import models

from apps.records.models import DataTable


class BranchStock(DataTable):
    natural_key = ("isbn", "branch")

    isbn = models.CharField("ISBN", max_length=13)
    branch = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    copies = models.PositiveIntegerField()

    class Meta:
        verbose_name = "stock of a branch"
        verbose_name_plural = "stock of the branches"

    def __str__(self) -> str:
        return f"{self.title}, {self.branch}"
