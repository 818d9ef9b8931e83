"""A machine that is far too busy: nobody is taken for dead.

`DC_TEST_LOAD_MINUTES` says for how long; `make chaos LOAD_MINUTES=60` is the hour that the figure is about.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apps.runtime.models import Runtime, State
from apps.runtime.node_models import Node
from tests.chaos.checks import Harm, assert_managers_are_well, assert_quiet
from tests.chaos.figures import counted, keep
from tests.chaos.platform import Platform, platform_of_its_own

MINUTES = float(os.environ.get("DC_TEST_LOAD_MINUTES", "5"))
TIMES_THE_CORES = 4
BUSY = "while True: pass"


@contextmanager
def busy_machine() -> Iterator[None]:
    """Processes that want to compute, four for each core."""
    count = TIMES_THE_CORES * (os.cpu_count() or 1)
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def work(platform: Platform) -> int:
    """Runs one after the other until the time is over. How many there were."""
    until, count = time.monotonic() + 60 * MINUTES, 0
    while time.monotonic() < until:
        run_ids = platform.queue(each=1)
        assert_quiet(platform, run_ids, Harm())
        count += len(run_ids)
    return count


@pytest.mark.usefixtures("own_database")
def test_nobody_is_taken_for_dead_on_a_machine_that_is_far_too_busy(tmp_path: Path) -> None:
    with platform_of_its_own(tmp_path) as platform:
        with busy_machine():
            count = work(platform)
        ended = Node.objects.filter(ended_at__isnull=False).count()
        crashed = Runtime.objects.filter(state=State.CRASHED).count()
        assert_managers_are_well(platform, set())
        codes = platform.close()
        said = platform.said()
    measure = f"runs and managers taken for dead in {MINUTES:g} minutes at a load of four times the cores"
    keep([counted(measure, found=ended + crashed, of=count)])
    assert (ended, crashed) == (0, 0)
    assert codes == [0, 0], said
