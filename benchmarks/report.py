"""One figure, and how a section of them is printed and kept."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """What the figures were taken on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value beside what it is held against."""

    measure: str
    ours: float
    unit: str
    target: str
    ok: bool
    n: int
    """How many times it was measured; `ours` is the median."""
    command: str
    limit: float | None = None
    """The same thing without us, in the same run."""
    peers: dict[str, float] = field(default_factory=dict)
    ratio: float | None = None


def publish(section: str, figures: Sequence[Figure]) -> bool:
    """Print the section, write `results/<section>.json`, and say whether every target was reached."""
    width = max(len(figure.measure) for figure in figures)
    for figure in figures:
        beside = "".join(
            f"  {name} {value:.4g}" for name, value in {"limit": figure.limit, **figure.peers}.items() if value
        )
        verdict = "ok  " if figure.ok else "MISS"
        ratio = "" if figure.ratio is None else f"ratio {figure.ratio:.3g}, "
        said = f"{figure.ours:.4g} {figure.unit}  {ratio}target {figure.target}{beside}"
        print(f"{verdict} {figure.measure:<{width}}  {said}")
    RESULTS.mkdir(exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    rows = [{**asdict(figure), "machine": machine(), "at": at} for figure in figures]
    (RESULTS / f"{section}.json").write_text(json.dumps(rows, indent=1) + "\n")
    return all(figure.ok for figure in figures)
