"""Managers, shims and collectors are killed again and again, and nothing ever runs twice at a time.

`DC_TEST_KILLS` says how often.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.chaos.checks import Harm, assert_managers_are_well, assert_quiet
from tests.chaos.faults_of_rows import AllFaults
from tests.chaos.figures import counted, keep, overdue, timed
from tests.chaos.platform import platform_of_its_own

KILLS = int(os.environ.get("DC_TEST_KILLS", "300"))
SEED = int(os.environ.get("DC_TEST_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
DOUBLES = "apps that ran twice at a time, in so many kills"
#: So many kills hit the runs of one batch.
BATCH = 6
#: How often each is killed: a manager takes its runs along, and costs a second of CPU to start again.
WEIGHTS = {"collector": 7, "shim": 2, "manager": 1}


@pytest.mark.usefixtures("own_database")
def test_nothing_ever_runs_twice_at_a_time_however_often_it_is_killed(tmp_path: Path) -> None:
    print(f"DC_TEST_CHAOS_SEED={SEED}", flush=True)
    dice, done, doubles = random.Random(SEED), 0, 0
    with platform_of_its_own(tmp_path) as platform:
        faults = AllFaults(platform, dice)
        try:
            while done < KILLS:
                run_ids, harm = platform.queue(each=2), Harm()
                for kind in dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=min(BATCH, KILLS - done)):
                    harm.add(getattr(faults, kind)(run_ids))
                    done += 1
                doubles += (platform.ledgers / "doubles").exists()
                assert_quiet(platform, run_ids, harm)
                print(f"{done} kills, {len(run_ids)} runs", flush=True)
        finally:
            keep([*timed(faults.seconds), counted(DOUBLES, found=doubles, of=done)])
        assert_managers_are_well(platform, set())
        codes = platform.close()
        said = platform.said()
    assert codes == [0, 0], said
    assert overdue(faults.seconds) == {}, f"seed {SEED}"
