"""What retention found and did, for its page."""

from __future__ import annotations

from django.db import models


class SweptTable(models.Model):
    """A table that retention looks after, as the last sweep left it; a sweep that only looks writes it as well."""

    name = models.CharField(primary_key=True, max_length=60, editable=False)
    rule = models.CharField(max_length=200, help_text="What is kept, in words.")
    row_count = models.BigIntegerField()
    bytes = models.BigIntegerField("size", null=True, blank=True, help_text="On disk, indexes included.")
    due_count = models.BigIntegerField("goes next", help_text="Rows that the next sweep deletes.")
    due_at = models.DateTimeField("as of", help_text="The moment for which that was counted.")
    deleted_count = models.BigIntegerField("deleted last", default=0)
    swept_at = models.DateTimeField("last sweep", null=True, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "table under retention"
        verbose_name_plural = "tables under retention"

    def __str__(self) -> str:
        return self.name
