"""What runs and the platform's own processes said, and how far their journals have been read."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class JournalFile(models.Model):
    """One journal file of one machine. The row is made when its first frame is shipped."""

    id = models.CharField(primary_key=True, max_length=32, editable=False)
    runtime = models.ForeignKey(
        "runtime.Runtime", on_delete=models.CASCADE, null=True, blank=True, related_name="journals", db_constraint=False
    )
    app = models.ForeignKey(
        "registry.App", on_delete=models.CASCADE, null=True, blank=True, related_name="+", db_constraint=False
    )
    role = models.CharField(max_length=32, help_text="Which process wrote it: collector, web, manager ...")
    node = models.CharField(max_length=255)
    path = models.CharField(max_length=1000, help_text="Below DC_DATA_DIR/journal of its machine.")
    offset = models.BigIntegerField(default=0, help_text="Bytes that are in this database.")
    seq = models.BigIntegerField(default=0, help_text="The last frame that is in this database.")
    dropped = models.BigIntegerField(default=0, help_text="Lines that a full disk cost; the journal counted them.")
    damaged_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    shipped_at = models.DateTimeField(null=True, blank=True)
    sealed_at = models.DateTimeField(null=True, blank=True, help_text="Nothing follows.")

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["node"], name="journal_open", condition=Q(sealed_at__isnull=True))]

    def __str__(self) -> str:
        return self.path


class SinkCursor(models.Model):
    """How far a sink other than the database has read a journal; a slow sink holds up nobody else."""

    journal = models.ForeignKey(JournalFile, on_delete=models.CASCADE, related_name="cursors")
    sink = models.CharField(max_length=40)
    offset = models.BigIntegerField(default=0)
    is_done = models.BooleanField(default=False)
    failures = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    moved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["journal", "sink"], name="cursor_once_per_sink")]

    def __str__(self) -> str:
        return f"{self.sink} at {self.offset}"


class LogSequence(models.Model):
    """The last line number of a run; locked while lines are numbered, so that there are no gaps."""

    runtime = models.OneToOneField(
        "runtime.Runtime", on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    last_line = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"line {self.last_line}"


class LogRejected(models.Model):
    """A frame that the database refused, kept as it was."""

    journal = models.ForeignKey(JournalFile, on_delete=models.CASCADE, related_name="rejected")
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    payload = models.TextField()
    reason = models.TextField()
    rejected_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["journal", "seq"], name="rejected_once_per_frame")]

    def __str__(self) -> str:
        return f"frame {self.seq}: {self.reason[:60]}"


class Log(models.Model):
    """One line. A line without a run is the platform's own.

    There are tens of millions of these: foreign keys are not checked by the database, and no index is kept that a page
    does not need (docs/decisions/0007-log-table.md).
    """

    class Level(models.IntegerChoices):
        NOTSET = 0
        DEBUG = 10
        INFO = 20
        WARNING = 30
        ERROR = 40
        CRITICAL = 50

    runtime = models.ForeignKey(
        "runtime.Runtime",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="logs",
        db_constraint=False,
        db_index=False,
    )
    app = models.ForeignKey(
        "registry.App",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="logs",
        db_constraint=False,
        db_index=False,
    )
    line_number = models.BigIntegerField(null=True, blank=True, help_text="1, 2, 3 ... within the run, without gaps.")
    journal = models.CharField(max_length=32, null=True, blank=True, help_text="The journal it came through.")
    seq = models.BigIntegerField(null=True, blank=True, help_text="Its frame there.")
    logged_at = models.DateTimeField()
    level = models.PositiveSmallIntegerField(choices=Level, default=Level.INFO)
    logger = models.CharField(max_length=200, blank=True)
    module = models.CharField(max_length=200, blank=True)
    function = models.CharField(max_length=200, blank=True)
    source_line = models.PositiveIntegerField(null=True, blank=True)
    thread = models.CharField(max_length=100, blank=True)
    call_chain = models.TextField(blank=True)
    message = models.TextField()
    context_json = models.JSONField("context", default=dict, blank=True)
    exception = models.TextField(blank=True)
    fingerprint = models.CharField(max_length=32, blank=True, help_text="Equal for errors that are one; else empty.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["runtime", "line_number"], name="log_line_once_per_run", condition=Q(runtime__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["journal", "seq"], name="log_once_per_frame", condition=Q(journal__isnull=False)
            ),
            models.CheckConstraint(condition=models.Q(level__lte=50), name="log_level_is_known"),
        ]
        indexes = [
            models.Index(fields=["runtime", "line_number"], name="log_bad_lines", condition=Q(level__gte=30)),
        ]

    def __str__(self) -> str:
        return self.message[:80]


# Further models, each in the module of its subject: Django finds them through this one.
from apps.logs import group_models, retention_models, search_models  # noqa: E402, F401
