"""What the trade desk of the demo shop asks for its books."""

from __future__ import annotations

from django.db import models

from apps.records.models import DataTable


class TradePrice(DataTable):
    natural_key = ("isbn",)

    isbn = models.CharField("ISBN", max_length=13)
    title = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=8, decimal_places=2, help_text="In euros, for those who sell it on.")

    class Meta:
        verbose_name = "trade price"

    def __str__(self) -> str:
        return self.title
