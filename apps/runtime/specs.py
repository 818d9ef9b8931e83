"""From the row of a claimed run to what its processes are told."""

from __future__ import annotations

from apps.runtime.models import Runtime
from apps.runtime.supervision import RunSpec

MB = 1024 * 1024


def spec_of(run: Runtime) -> RunSpec:
    """The spec of a run whose app is loaded."""
    app = run.app
    return RunSpec(
        run_id=run.pk,
        app_id=app.pk,
        app_code=app.code,
        epoch=run.epoch,
        args={**app.args, **run.args},
        limit=run.limit,
        dry_run=run.is_dry_run,
        stop_grace_s=float(app.stop_grace_s),
        time_limit_s=float(app.time_limit_s) if app.time_limit_s else None,
        memory_limit_bytes=app.memory_limit_mb * MB if app.memory_limit_mb else None,
        cpu_limit_s=app.cpu_limit_s,
        process_limit=app.process_limit,
        schedule_version=app.schedule_version,
        warm=app.warm_start,
    )
