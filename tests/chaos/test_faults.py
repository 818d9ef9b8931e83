"""Whatever happens, and whenever: every run ends once, nothing of it lives on, and no line is lost or there twice.

`DC_TEST_CHAOS_ROUNDS` says how many faults there are, `DC_TEST_CHAOS_SEED` repeats the faults of an earlier time.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.chaos.checks import assert_managers_are_well
from tests.chaos.faults_of_rows import AllFaults
from tests.chaos.figures import keep, overdue, timed
from tests.chaos.platform import platform_of_its_own
from tests.chaos.rounds import play, shuffled

ROUNDS = int(os.environ.get("DC_TEST_CHAOS_ROUNDS", "23"))
SEED = int(os.environ.get("DC_TEST_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)


@pytest.mark.usefixtures("own_database")
def test_whatever_happens_every_run_ends_once_and_no_line_is_lost(tmp_path: Path) -> None:
    print(f"DC_TEST_CHAOS_SEED={SEED}", flush=True)
    dice = random.Random(SEED)
    with platform_of_its_own(tmp_path) as platform:
        faults = AllFaults(platform, dice)
        try:
            for number, kind in enumerate(shuffled(dice, ROUNDS)):
                print(f"{number} {kind}: ", end="", flush=True)
                print(play(platform, faults, [kind], each=2), flush=True)
        finally:
            keep(timed(faults.seconds))
        print(f"pids that we could choose for a stranger: {faults.reused}")
        assert_managers_are_well(platform, faults.lost_nodes)
        codes = platform.close()
        said = platform.said()
    assert codes == [0, 0], said
    assert overdue(faults.seconds) == {}, f"seed {SEED}"
