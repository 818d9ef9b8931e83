"""From the row of a claimed run to what its processes are told."""

from __future__ import annotations

from apps.credentials.selectors import secrets_of
from apps.runtime.limits import limits_in_force
from apps.runtime.models import Runtime
from apps.runtime.supervision import RunSpec

MB = 1024 * 1024


def spec_of(run: Runtime, *, lease_note: str | None = None) -> RunSpec:
    """The spec of a run whose app is loaded. Raises `CredentialsUnusable`, a `ValueError`."""
    app, limits = run.app, limits_in_force(run)
    memory_mb, time_limit_s, stop_grace_s = limits["memory_limit_mb"], limits["time_limit_s"], limits["stop_grace_s"]
    return RunSpec(
        run_id=run.pk,
        app_id=app.pk,
        app_code=app.code,
        epoch=run.epoch,
        args={**app.args, **run.args},
        limit=run.limit,
        dry_run=run.is_dry_run,
        stop_grace_s=float(stop_grace_s or app.stop_grace_s),
        time_limit_s=float(time_limit_s) if time_limit_s else None,
        memory_limit_bytes=memory_mb * MB if memory_mb else None,
        cpu_limit_s=limits["cpu_limit_s"],
        process_limit=limits["process_limit"],
        lease_note=lease_note if app.is_exclusive else None,
        schedule_version=app.schedule_version,
        warm=app.warm_start,
        secrets=secrets_of(app.pk),
    )
