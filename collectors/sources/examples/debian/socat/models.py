from django.db import models

from apps.records.models import DataTable


class AddressType(DataTable):
    natural_key = ("form",)

    form = models.CharField(max_length=100, help_text="As it is typed, with its parameters.")
    about = models.TextField()
    option_groups = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.form
