"""What may run: groups, parents and apps."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from apps.core.choices import ColouredChoices
from apps.core.clock import utc_now
from apps.registry.cron import BadSchedule, check_cron, zone_named
from collectors.identity import NAME, AppInfo, app_info

models.CharField.register_lookup(Length)

is_name = RegexValidator(rf"^{NAME.pattern}\Z", "Use small letters, digits and underscores, a letter first.")


class AppGroup(models.Model):
    """The first part of an app code: a client, a domain, a team."""

    name = models.CharField(max_length=40, unique=True, validators=[is_name])
    title = models.CharField(max_length=100, blank=True, help_text="For people; empty shows the name.")
    description = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.title or self.name


class AppParent(models.Model):
    """The second part of an app code: usually the site or system that is collected from."""

    group = models.ForeignKey(AppGroup, on_delete=models.PROTECT, related_name="parents")
    name = models.CharField(max_length=40, validators=[is_name])
    title = models.CharField(max_length=100, blank=True, help_text="For people; empty shows the name.")
    description = models.TextField(blank=True)

    class Meta:
        ordering = ["group__name", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "name"],
                name="parent_once_per_group",
                violation_error_message="This group has a parent of that name already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.group.name}.{self.name}"


class App(models.Model):
    """One collector as operators know it: its code, its schedule, its limits. New apps start disabled."""

    class Kind(ColouredChoices):
        STANDALONE = "STANDALONE", "info", "standalone (never scheduled)"
        MANAGED = "MANAGED", "primary", "managed"
        PIPELINE = "PIPELINE", "default", "pipeline (worker of a stage)"

    class Schedule(ColouredChoices):
        MANUAL = "MANUAL", "default", "by hand"
        INTERVAL = "INTERVAL", "primary", "interval"
        CRON = "CRON", "primary", "cron expression"

    class Overlap(ColouredChoices):
        """What becomes of a due run while another one of the app is queued or live."""

        SKIP = "SKIP", "default", "skip it"
        QUEUE = "QUEUE", "info", "let it wait"
        REPLACE = "REPLACE", "warning", "stop the other one"

    class Missed(ColouredChoices):
        """What becomes of due times that passed while nobody looked."""

        NONE = "NONE", "default", "forget them"
        ONCE = "ONCE", "primary", "run once"
        ALL = "ALL", "info", "run each, at most 100"

    class Fatal(ColouredChoices):
        """Why the platform disabled the app by itself."""

        NONE = "NONE", "default", "none"
        FAILED = "FAILED", "danger", "failed too often"
        BLOCKED = "BLOCKED", "danger", "blocked"

    parent = models.ForeignKey(AppParent, on_delete=models.PROTECT, related_name="apps")
    name = models.CharField(max_length=40, validators=[is_name])
    code = models.CharField(max_length=122, unique=True, editable=False, help_text="group.parent.app")
    identity = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA3-256 of group|parent|app")
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.MANAGED)
    is_enabled = models.BooleanField("enabled", default=False)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="owned_apps"
    )
    tags = models.JSONField(default=list, blank=True, help_text='A list of words, such as ["prices", "daily"].')
    args = models.JSONField(
        "arguments", default=dict, blank=True, help_text="Used where a run does not say otherwise: a JSON object."
    )
    args_schema = models.JSONField("argument schema", default=dict, blank=True, editable=False)
    schedule = models.CharField(max_length=16, choices=Schedule, default=Schedule.MANUAL)
    interval_s = models.PositiveIntegerField(
        "interval (seconds)", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(366 * 86400)]
    )
    cron = models.CharField("cron expression", max_length=100, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    jitter_s = models.PositiveIntegerField(
        "jitter (seconds)",
        default=0,
        validators=[MaxValueValidator(86400)],
        help_text="Each run is put off by a random time up to this.",
    )
    overlap = models.CharField(max_length=16, choices=Overlap, default=Overlap.SKIP)
    missed = models.CharField(max_length=16, choices=Missed, default=Missed.ONCE)
    schedule_version = models.BigIntegerField(
        default=0,
        editable=False,
        help_text="Counts changes of the schedule; a run that sets its next run names the one it saw.",
    )
    #: When the clock acts; what the run is due for is `due_at`, before the jitter.
    next_run_at = models.DateTimeField("next run", null=True, blank=True, editable=False)
    next_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    retry_attempts = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(100)], help_text="How often a failed run is tried again."
    )
    retry_interval_s = models.PositiveIntegerField(
        "retry interval (seconds)", default=300, validators=[MinValueValidator(1), MaxValueValidator(30 * 86400)]
    )
    queue = models.CharField(
        max_length=40, default="runs", validators=[is_name], help_text="Managers that serve this queue run the app."
    )
    warm_start = models.BooleanField(
        default=True, help_text="Start as a fork of a warm process: milliseconds instead of a second."
    )
    is_exclusive = models.BooleanField(
        "exclusive", default=False, help_text="A run that is cut off from the platform stops before another may begin."
    )
    memory_limit_mb = models.PositiveIntegerField(
        "memory limit (MB)", null=True, blank=True, validators=[MinValueValidator(16)], help_text="Empty: no limit."
    )
    cpu_limit_s = models.PositiveIntegerField(
        "CPU limit (seconds)", null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: no limit."
    )
    process_limit = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Processes of a run; empty: no limit."
    )
    disable_after = models.PositiveSmallIntegerField(
        default=3, help_text="So many failed runs in a row disable the app; 0: never."
    )
    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    fatal = models.CharField(max_length=16, choices=Fatal, default=Fatal.NONE, editable=False)
    fatal_reason = models.TextField(blank=True, editable=False)
    fatal_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_on_trial = models.BooleanField(
        default=False, editable=False, help_text="Enabled again after it was disabled by itself; the next run decides."
    )
    remove_after = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its rows are deleted; set by asking for its removal."
    )
    max_parallel = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="Live runs at the same time."
    )
    time_limit_s = models.PositiveIntegerField(
        "time limit (seconds)", null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: no limit."
    )
    stop_grace_s = models.PositiveIntegerField(
        "stop grace (seconds)",
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(3600)],
        help_text="How long a run may tidy up after it was asked to stop.",
    )
    epoch = models.BigIntegerField(default=0, editable=False, help_text="Counts starts; fences off older runs.")
    command_sequence = models.BigIntegerField(default=0, editable=False, help_text="Counts commands to this app.")
    created_at = models.DateTimeField(auto_now_add=True)
    modified_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["code"]
        # Rows belong to no model of the platform: what one may do with them is said of the app that collected them.
        permissions = [("export_app", "Can export collected rows")]
        constraints = [
            models.CheckConstraint(condition=Q(identity__length=64), name="app_identity_is_sha3"),
            models.CheckConstraint(
                condition=~Q(schedule="INTERVAL") | Q(interval_s__isnull=False, interval_s__gte=1),
                name="app_interval_is_given",
                violation_error_message="An interval schedule needs an interval of at least one second.",
            ),
            models.CheckConstraint(
                condition=~Q(schedule="CRON") | ~Q(cron=""),
                name="app_cron_is_given",
                violation_error_message="A cron schedule needs a cron expression.",
            ),
            models.CheckConstraint(condition=Q(max_parallel__gte=1), name="app_max_parallel_is_positive"),
        ]
        indexes = [
            models.Index(
                fields=["next_run_at"], name="app_due", condition=Q(is_enabled=True, next_run_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.code

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Refuse what a form, the shell and the API must not set alike; each fault names its field."""
        faults: dict[str, list[ValidationError]] = {}
        try:
            super().clean_fields(exclude=exclude)
        except ValidationError as error:
            faults = error.error_dict
        for name, text in self._faults():
            if name not in (exclude or ()) and name not in faults:
                faults[name] = [ValidationError(text)]
        if faults:
            raise ValidationError(faults)

    def _faults(self) -> Iterator[tuple[str, str]]:
        """What no single field can know to be wrong: the field, and a sentence."""
        if not isinstance(self.tags, list) or not all(isinstance(tag, str) for tag in self.tags):
            yield "tags", _('Write a list of words, such as ["prices", "daily"].')
        if not isinstance(self.args, dict):
            yield "args", _('Write a JSON object, such as {"category": "Poetry"}.')
        if self.schedule == self.Schedule.INTERVAL and not self.interval_s:
            yield "interval_s", _("An interval schedule needs an interval of at least one second.")
        if self.schedule == self.Schedule.CRON and not self.cron.strip():
            yield "cron", _("A cron schedule needs a cron expression.")
        try:
            zone_named(self.time_zone)
            if self.cron.strip():
                check_cron(self.cron, self.time_zone, after=utc_now())
        except BadSchedule as error:
            yield error.field, str(error)

    @property
    def info(self) -> AppInfo:
        """The identity of the app."""
        return app_info(*self.code.split("."))

    @property
    def is_scheduled(self) -> bool:
        """Whether the clock starts this app when it is enabled."""
        return self.kind == self.Kind.MANAGED and self.schedule != self.Schedule.MANUAL
