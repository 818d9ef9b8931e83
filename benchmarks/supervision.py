"""What stands between the manager and a collector: time to its first line, CPU and memory of a run.

The peer is a plain child that sets Django up; the limit is a bare fork of a process that has done so.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import Figure, publish

if TYPE_CHECKING:
    from apps.runtime.supervision import Supervisor

ROOT = Path(__file__).parent.parent
COMMAND = "make bench SECTION=supervision"
QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 30 if QUICK else 200
AT_ONCE = 10
SETTLE_S = 3 if QUICK else 60
FIRST_LINE = "open(sys.argv[1], 'w').write(repr(time.monotonic()))"


def run(spec: Any) -> int:
    """The collector: says when it began."""
    Path(spec.args["file"]).write_text(repr(time.monotonic()))
    time.sleep(spec.args["seconds"])
    return 0


def first_line(file: Path, begun: float) -> float:
    """Milliseconds from `begun` to what a collector wrote."""
    took = 1000 * (float(file.read_text()) - begun)
    file.unlink()
    return took


class Bench:
    """A supervisor, and collectors that only say when they began."""

    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        self.supervisor = supervisor
        self.folder = folder
        self.count = 0

    def start(self, *, warm: bool, seconds: float) -> Path:
        """Start one."""
        from apps.runtime.supervision import RunSpec

        self.count += 1
        file = self.folder / str(self.count)
        args = {"file": str(file), "seconds": seconds}
        self.supervisor.start(
            RunSpec(run_id=f"r{self.count}", app_id=1, app_code="a.b.c", epoch=1, args=args, warm=warm)
        )
        return file

    def wait(self) -> None:
        """Until all have ended."""
        while self.supervisor.running():
            self.supervisor.wait(1)

    def stop_once(self) -> float:
        """Milliseconds from a stop to the certainty that nothing is alive."""
        file = self.start(warm=True, seconds=600)
        while not file.exists():
            self.supervisor.wait(0.01)
        [run_id] = self.supervisor.running()
        begun = time.monotonic()
        self.supervisor.stop(run_id)
        self.wait()
        return 1000 * (time.monotonic() - begun)

    def once(self, *, warm: bool) -> float:
        """Milliseconds from `start` to the first line."""
        begun = time.monotonic()
        file = self.start(warm=warm, seconds=0)
        self.wait()
        return first_line(file, begun)


def bare_fork(folder: Path) -> float:
    """Milliseconds from a fork of this process, which has Django, to its first line."""
    file, begun = folder / "fork", time.monotonic()
    pid = os.fork()
    if pid == 0:
        file.write_text(repr(time.monotonic()))
        os._exit(0)
    os.waitpid(pid, 0)
    return first_line(file, begun)


def django_child(folder: Path) -> float:
    """Milliseconds from the start of a program to its first line with Django."""
    file, begun = folder / "child", time.monotonic()
    program = f"import sys, time, django; django.setup(); {FIRST_LINE}"
    subprocess.run([sys.executable, "-c", program, str(file)], cwd=ROOT, check=True)
    return first_line(file, begun)


def cpu_ms(pid: int) -> float:
    """CPU of a process and of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def pss_mb(pids: list[int]) -> float:
    """Memory of some processes, shared pages shared out."""
    from apps.runtime.supervision.tree import memory_of

    return memory_of(pids, exact=True) / 1e6


def figure(measure: str, ours: float, unit: str, target: float, *, n: int, **more: Any) -> Figure:
    """A figure that has to stay below its target."""
    limit = more.get("limit")
    ratio = ours / limit if limit else None
    return Figure(
        measure=measure, ours=ours, unit=unit, target=f"<= {target:g}", ok=ours <= target, n=n, command=COMMAND,
        ratio=ratio, **more,
    )  # fmt: skip


def figures(bench: Bench) -> list[Figure]:
    """Measure."""
    from apps.runtime.supervision.tree import descendants

    bench.once(warm=True)
    warm_process = bench.supervisor._starter.fleet.current
    assert warm_process is not None
    forkserver = warm_process.process.pid
    before = cpu_ms(forkserver) + cpu_ms(os.getpid())
    warm = [bench.once(warm=True) for _ in range(ROUNDS)]
    cpu = (cpu_ms(forkserver) + cpu_ms(os.getpid()) - before) / ROUNDS
    few = max(5, ROUNDS // 20)
    stops = sorted(bench.stop_once() for _ in range(ROUNDS))
    limit = [bare_fork(bench.folder) for _ in range(ROUNDS)]
    peer = statistics.median(django_child(bench.folder) for _ in range(few))
    for _ in range(AT_ONCE):
        bench.start(warm=True, seconds=SETTLE_S + 20)
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        bench.supervisor.wait(1)
    shims = [process.pid for process in descendants(forkserver) if process.session == process.pid]
    everybody = [process.pid for process in descendants(forkserver)]
    shim, run_mb = pss_mb(shims) / AT_ONCE, pss_mb(everybody) / AT_ONCE
    server = pss_mb([forkserver])
    for run_id in bench.supervisor.running():
        bench.supervisor.kill(run_id)
    bench.wait()
    cold = cold_figures(bench, few)
    fork, peers = statistics.median(limit), {"Django child": peer}
    p95 = sorted(warm)[int(0.95 * ROUNDS)]
    return [
        figure("warm: start to first line, p50", statistics.median(warm), "ms", 25, n=ROUNDS, limit=fork, peers=peers),
        figure("warm: start to first line, p95", p95, "ms", 75, n=ROUNDS),
        figure("warm: CPU of a run, manager included", cpu, "ms", 25, n=ROUNDS),
        figure("stop to nothing alive, p50", statistics.median(stops), "ms", 200, n=ROUNDS),
        figure("stop to nothing alive, p95", stops[int(0.95 * ROUNDS)], "ms", 200, n=ROUNDS),
        cold,
        figure("memory of a running no-op, PSS", run_mb, "MB", 25, n=AT_ONCE),
        figure("memory of its shim alone, PSS", shim, "MB", 10, n=AT_ONCE),
        figure("memory of the forkserver, PSS", server, "MB", 90, n=1),
    ]


def cold_figures(bench: Bench, rounds: int) -> Figure:
    """A cold start without Django in the collector: what the shim itself costs."""
    from apps.runtime.supervision import Started

    took = []
    for _ in range(rounds):
        begun = time.monotonic()
        bench.start(warm=False, seconds=0)
        while not any(isinstance(event, Started) for event in bench.supervisor.wait(1)):
            pass
        took.append(1000 * (time.monotonic() - begun))
        bench.wait()
    return figure("cold: start to a process of the collector", statistics.median(took), "ms", 100, n=rounds)


def measured(folder: Path) -> list[Figure]:
    """The figures, from a platform without a database."""
    os.environ |= {"DC_PROFILE": "test", "DC_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings"}
    import django

    django.setup()
    from apps.runtime.supervision import RunSpec, Supervisor

    program = (
        "import json, sys, time; f = json.load(sys.stdin)['args']['file']; open(f, 'w').write(repr(time.monotonic()))"
    )
    command: Callable[[RunSpec], list[str]] = lambda _: [sys.executable, "-c", program]  # noqa: E731
    # Every run is forked when it is asked for; `benchmarks.runs` has them forked ahead, as a manager does.
    supervisor = Supervisor(
        journal_root=folder / "journal", entry="benchmarks.supervision.run", command=command, ahead=False
    )
    try:
        return figures(Bench(supervisor, folder))
    finally:
        supervisor.close()


def main() -> int:
    """Measure and publish."""
    with tempfile.TemporaryDirectory(prefix="dc-bench-") as folder:
        return 0 if publish("supervision", measured(Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
