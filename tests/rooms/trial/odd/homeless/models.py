from django.db import models

from apps.records.models import DataTable


class Nowhere(DataTable):
    natural_key = ("name",)

    name = models.CharField(max_length=20)
