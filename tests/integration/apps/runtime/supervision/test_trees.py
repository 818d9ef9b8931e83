"""Whatever a collector forks: when its run has ended, nothing of it is alive, and nobody else was touched.

`DC_TEST_TREES` says how many generated trees; a few here, a thousand for the figure in the documentation.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.integration.apps.runtime.supervision.stand import Stand
from tests.integration.apps.runtime.supervision.test_runs import parent
from tests.integration.apps.runtime.supervision.trees import MOST_NODES, Node, alive, generate, is_full, named, size

TREES = int(os.environ.get("DC_TEST_TREES", "20"))
AT_ONCE = 5
ENDS = ("stop", "kill", "exit", "kill collector", "kill shim")


def bring_about(end: str, stand: Stand, run_id: str) -> None:
    """One of the ways in which a run ends."""
    pid = stand.started(run_id).pid
    if end == "stop":
        stand.supervisor.stop(run_id)
    elif end == "kill":
        stand.supervisor.kill(run_id)
    elif end == "kill collector":
        os.kill(pid, signal.SIGKILL)
    elif end == "kill shim":
        os.kill(parent(pid), signal.SIGKILL)


@pytest.mark.parametrize("first", range(0, TREES, AT_ONCE))
def test_nothing_of_a_generated_tree_outlives_its_run(stand: Stand, tmp_path: Path, first: int) -> None:
    bystander = stand.start("sleep")
    stand.started(bystander)
    runs: dict[str, tuple[Node, Path, str]] = {}
    seeds: dict[str, int] = {}
    for seed in range(first, min(first + AT_ONCE, TREES)):
        tree = generate(seed)
        end = ENDS[seed % len(ENDS)]
        if end == "exit":
            tree["lives_s"] = 0.1
        register = tmp_path / str(seed)
        limits = {"stop_grace_s": 0.3}
        run_id = stand.start("tree", warm=seed % 3 > 0, tree=tree, register=str(register), limits=limits)
        seeds[run_id] = seed
        runs[run_id] = (tree, register, end)
    for run_id, (tree, register, end) in runs.items():
        # Some are ended while they grow: those are cold, and have the id of the run in their command line.
        if end != "exit" and seeds[run_id] % 6:
            stand.until(partial(is_full, register, tree))
        bring_about(end, stand, run_id)
    for run_id, (_, register, end) in runs.items():
        report = stand.ended(run_id)
        assert report.is_verified
        assert alive(register) == [], f"{end} of {run_id}: {report}"
        assert named(run_id) == [], f"{end} of {run_id}: {report}"
    assert bystander in stand.supervisor.running()
    stand.supervisor.kill(bystander)
    stand.ended(bystander)


def test_the_trees_are_what_they_are_meant_to_be() -> None:
    trees = [generate(seed) for seed in range(100)]
    sizes = [size(tree) for tree in trees]
    assert max(sizes) == MOST_NODES
    assert min(sizes) == 1
    assert generate(7) == generate(7)
    text = repr(trees)
    for word in ("setsid", "double_fork", "'deaf': True", "'closes': True", "'lives_s': 0.0"):
        assert word in text
