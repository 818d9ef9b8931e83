"""The figures of the chaos suite: what was timed and counted, kept beside what other tests of it have found."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.report import RESULTS, Figure, publish
from tests.chaos.faults import CLOCK, CRASH, DATABASE, LINK, MANAGER, SHIM, SUSPENDED

#: What is timed -> seconds it may take. Only `PATIENCE` times as much is a failure: others use the machine as well.
LIMITS = {CRASH: 1.0, SHIM: 1.0, MANAGER: 25.0, SUSPENDED: 25.0, DATABASE: 5.0, LINK: 25.0, CLOCK: 5.0}
PATIENCE = 3
SECTION = "chaos"


def timed(seconds: Mapping[str, Sequence[float]]) -> list[Figure]:
    """What took time: the median, and the worst of a hundred beside it."""
    found = []
    for measure, limit in LIMITS.items():
        times = sorted(seconds.get(measure, ()))
        if times:
            p99 = times[math.ceil(0.99 * len(times)) - 1]
            found.append(
                Figure(
                    measure=measure,
                    ours=round(statistics.median(times), 3),
                    unit="s",
                    target=f"p99 <= {limit:g} s",
                    ok=p99 <= limit,
                    n=len(times),
                    command="make chaos",
                    peers={"p99": round(p99, 3)},
                )
            )
    return found


def counted(measure: str, *, found: int, of: int) -> Figure:
    """What must not happen at all, in so many chances."""
    return Figure(measure=measure, ours=found, unit="", target="0", ok=found == 0, n=of, command="make chaos")


def keep(figures: Sequence[Figure]) -> None:
    """Print them, and put them among the earlier ones."""
    if not figures:
        return
    path = RESULTS / f"{SECTION}.json"
    earlier = json.loads(path.read_text()) if path.exists() else []
    publish(SECTION, figures)
    new = json.loads(path.read_text())
    measured = {row["measure"] for row in new}
    rows = [row for row in earlier if row["measure"] not in measured] + new
    path.write_text(json.dumps(rows, indent=1) + "\n")


def overdue(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """What took so long that no busy machine explains it."""
    worst = {measure: max(times) for measure, times in seconds.items() if times}
    return {measure: found for measure, found in worst.items() if found > PATIENCE * LIMITS[measure]}
