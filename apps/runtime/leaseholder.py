"""Whom leases of proxies are for: a run, as long as it is one."""

from __future__ import annotations

import os

from apps.proxies.leasing import Holder
from apps.runtime.models import LIVE, Runtime
from apps.runtime.process import node_name

_STATES = ", ".join(f"'{state.value}'" for state in LIVE)
_IS_LIVE = (
    f"EXISTS (SELECT 1 FROM {Runtime._meta.db_table} run "  # noqa: S608 - a table of ours
    f"WHERE run.id = %(run)s AND run.epoch = %(epoch)s AND run.state IN ({_STATES}))"
)


def holder_of(run: Runtime) -> Holder:
    """A run that has ended, or was given up, gets nothing and keeps nothing: the statement itself asks."""
    return Holder(
        app=run.app.code,
        runtime=run.pk,
        process=f"{node_name()} {os.getpid()}",
        guard=_IS_LIVE,
        guard_values={"run": run.pk, "epoch": run.epoch},
    )
