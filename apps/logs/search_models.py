"""The index of the text search.

It is written once, in the order in which it is made. An inverted index of the database's own (GIN on PostgreSQL)
rewrites a page for every gram of every chunk: measured with 5 million lines in it, it took 5,000 lines a second.
"""

from __future__ import annotations

from django.db import models


class LogChunk(models.Model):
    """Lines `first_id` to `last_id`, closed: no line will ever be written between them."""

    id = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 ... It says which segment the chunk belongs to.")
    first_id = models.BigIntegerField(unique=True)
    last_id = models.BigIntegerField(unique=True)
    first_at = models.DateTimeField(help_text="The earliest moment of its lines.")
    last_at = models.DateTimeField(help_text="The latest moment of its lines.")
    line_count = models.PositiveIntegerField()
    version = models.PositiveSmallIntegerField(default=0, help_text="What its grams are; see apps/logs/grams.py.")
    grams = models.BinaryField(null=True, help_text="A bit for each gram, until the chunk is part of a segment.")

    def __str__(self) -> str:
        return f"lines {self.first_id} to {self.last_id}"


class LogGram(models.Model):
    """Which chunks of a segment hold any of eight grams: for each of these, a bit for every chunk."""

    id = models.BigIntegerField(primary_key=True, help_text="Segment times 8,192, plus the first gram divided by 8.")
    chunks = models.BinaryField()

    def __str__(self) -> str:
        return f"grams {self.pk % 8192 * 8} to {self.pk % 8192 * 8 + 7} of segment {self.pk // 8192}"
