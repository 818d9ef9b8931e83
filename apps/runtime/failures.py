"""Forgetting the failures of an app at somebody's request."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.registry.models import App
from apps.runtime.models import Command


class NothingToClear(Exception):
    """The failures of an app are not to be forgotten; the message says why."""


@transaction.atomic
def clear_failures(app: App, *, source: Command.Source, now: datetime, issuer: User | None = None) -> App:
    """Count from zero again, and take back that the platform disabled the app. It enables nothing.

    Raises `NothingToClear`, also while a trial run is to decide.
    """
    row = App.objects.select_for_update(no_key=True).get(pk=app.pk)
    if row.is_on_trial:
        raise NothingToClear(_("%(app)s is on trial: its next run decides.") % {"app": row.code})
    if not row.failures_in_a_row and row.fatal == App.Fatal.NONE:
        raise NothingToClear(_("%(app)s has no failures to clear.") % {"app": row.code})
    before = {"failures_in_a_row": row.failures_in_a_row, "fatal": row.fatal}
    row.failures_in_a_row, row.fatal, row.fatal_reason, row.fatal_at = 0, App.Fatal.NONE, "", None
    row.save(update_fields=["failures_in_a_row", "fatal", "fatal_reason", "fatal_at", "modified_at"])
    after = {"failures_in_a_row": 0, "fatal": App.Fatal.NONE.value}
    record("app.failures_cleared", row.code, source=source, actor=issuer, now=now, before=before, after=after)
    return row
