"""Everything between the manager and the process of a collector.

    supervisor = Supervisor(journal_root=journal_root())
    supervisor.start(spec)
    for event in supervisor.wait(1.0):   # Started, Stage, Ended

supervisor   the manager's side
forkserver   a warm process that forks shims
shim         one per run: starts the collector, holds its limits, ends it with all that descends from it
collector    what stands between the fork and the collector's own code
"""

from typing import TYPE_CHECKING, Any

from apps.runtime.supervision.spec import CannotStart, Ended, Event, ExitReport, RunSpec, Stage, Started

if TYPE_CHECKING:
    from apps.runtime.supervision.supervisor import Supervisor

__all__ = ["CannotStart", "Ended", "Event", "ExitReport", "RunSpec", "Stage", "Started", "Supervisor"]


def __getattr__(name: str) -> Any:
    """The supervisor is imported when it is asked for: a shim needs this package too, and starts without it."""
    if name != "Supervisor":
        raise AttributeError(name)
    from apps.runtime.supervision.supervisor import Supervisor

    return Supervisor
