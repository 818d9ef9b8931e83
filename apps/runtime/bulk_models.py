"""Actions on many things at once, as rows: what was chosen, what will be done, and what became of each."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.principal import Principal
from apps.core.choices import ColouredChoices
from apps.runtime.models import new_id


class BulkJob(models.Model):
    """One action on many apps or runs. A draft is a preview; nothing is done before somebody confirms it."""

    class Action(ColouredChoices):
        START = "START", "success", _("start")
        STOP = "STOP", "warning", _("stop")
        RESTART = "RESTART", "warning", _("restart")
        ENABLE = "ENABLE", "info", _("enable")
        DISABLE = "DISABLE", "default", _("disable")
        CLEAR = "CLEAR", "info", _("clear the failure counter")
        SCHEDULE = "SCHEDULE", "info", _("change the schedule")
        OWNER = "OWNER", "info", _("assign an owner")
        REMOVE = "REMOVE", "danger", _("remove")
        KEEP = "KEEP", "info", _("keep")
        STOP_RUN = "STOP_RUN", "warning", _("stop runs")
        RUN_AGAIN = "RUN_AGAIN", "success", _("run again")

    class State(ColouredChoices):
        DRAFT = "DRAFT", "default", _("preview")
        CONFIRMED = "CONFIRMED", "primary", _("under way")
        DONE = "DONE", "success", _("done")
        CANCELLED = "CANCELLED", "warning", _("cancelled")

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    action = models.CharField(max_length=16, choices=Action)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    options = models.JSONField(default=dict, blank=True, help_text="The same for all: a schedule, an owner, arguments.")
    issuer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    client = models.ForeignKey(
        "accounts.Client", on_delete=models.SET_NULL, null=True, blank=True, verbose_name="API client"
    )
    scopes = models.JSONField(null=True, blank=True, help_text="What the token was good for; empty: no token.")
    address = models.GenericIPAddressField(null=True, blank=True, help_text="Where the request came from.")
    source = models.CharField(max_length=16, help_text="Where it came from: admin or API.")
    back = models.CharField(max_length=500, blank=True, help_text="The list it was chosen from.")
    undo_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="undone_by")
    total = models.PositiveIntegerField(default=0)
    left_out = models.PositiveIntegerField(default=0, help_text="Chosen as well, but not theirs to act on.")
    skipped_count = models.PositiveIntegerField("skipped", default=0)
    done_count = models.PositiveIntegerField("done", default=0)
    refused_count = models.PositiveIntegerField("refused", default=0)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "bulk action"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="bulk_newest"),
            models.Index(fields=["confirmed_at"], name="bulk_open", condition=Q(state="CONFIRMED")),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.id[:8]}"

    @property
    def principal(self) -> Principal:
        """Who asked, as the policy knows them now."""
        scopes = None if self.scopes is None else frozenset(map(str, self.scopes))
        return Principal(user=self.issuer, client=self.client, scopes=scopes)

    @property
    def state_colour(self) -> str:
        """Of its label."""
        return self.State(self.state).colour

    @property
    def is_under_way(self) -> bool:
        """Whether something is still to be done."""
        return self.state == self.State.CONFIRMED

    @property
    def to_do(self) -> int:
        """How many it acts on, those left aside that are skipped."""
        return self.total - self.skipped_count

    @property
    def settled(self) -> int:
        """How many of them are done or refused."""
        return self.done_count + self.refused_count


class BulkItem(models.Model):
    """One of the many. It names an app or a run by its number and in words, because it may be gone one day."""

    class State(ColouredChoices):
        WAITING = "WAITING", "default", _("to do")
        SKIPPED = "SKIPPED", "default", _("skipped")
        DONE = "DONE", "success", _("done")
        REFUSED = "REFUSED", "danger", _("refused")
        CANCELLED = "CANCELLED", "warning", _("cancelled")

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    object_id = models.CharField(max_length=32)
    label = models.CharField(max_length=160)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True, help_text="Why it was skipped or refused.")
    values = models.JSONField(default=dict, blank=True, help_text="For this one instead of the options of all.")
    before = models.JSONField(default=dict, blank=True, help_text="As it was, to undo it.")
    command_id = models.BigIntegerField(null=True, blank=True)
    runtime_id = models.CharField(max_length=32, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="bulk_item_once")]
        indexes = [models.Index(fields=["job", "state", "position"], name="bulk_item_by_state")]

    def __str__(self) -> str:
        return self.label

    @property
    def state_colour(self) -> str:
        """Of its label."""
        return self.State(self.state).colour
