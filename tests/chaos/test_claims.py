"""Several processes claim the same queued runs at the same time: each run goes to exactly one of them."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import Runtime, State
from tests.acceptance.conftest import Manage, wait_for
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

CLAIMS = int(os.environ.get("DC_TEST_CLAIMS", "10000"))
APPS, SLOTS, CLAIMERS = 20, 3, 4

CLAIMER = """
import time
from pathlib import Path
from apps.core.clock import utc_now
from apps.runtime.claims import claim_runs
from apps.runtime.models import Runtime, State
from tests.integration.factories import make_node

node, folder, empty = make_node(), Path({folder!r}), 0
(folder / "ready-{number}").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
with (folder / "claimed-{number}").open("w") as claimed:
    while Runtime.objects.queued().exists():
        runs = claim_runs(node=node, queues=["runs"], limit=8)
        empty += not runs
        for run in runs:
            print(run.pk, run.app_id, run.epoch, run.slot, file=claimed)
        for run in runs:
            assert run.finish(State.FAILED, at=utc_now()), run.pk
print("empty-handed", empty)
"""


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer: nothing is contested.")
def test_no_run_is_claimed_twice(manage: Manage, tmp_path: Path) -> None:
    apps = [make_app(f"a.b.app{number}", max_parallel=SLOTS) for number in range(APPS)]
    queued, now = App.objects.in_bulk([app.pk for app in apps]), utc_now()
    runs = [
        Runtime(app=queued[apps[number % APPS].pk], trigger=Runtime.Trigger.ADMIN, queued_at=now)
        for number in range(CLAIMS)
    ]
    Runtime.objects.bulk_create(runs, batch_size=1000)
    claimers = [
        manage("shell", "-c", CLAIMER.format(folder=str(tmp_path), number=number)) for number in range(CLAIMERS)
    ]
    wait_for(lambda: len(list(tmp_path.glob("ready-*"))) == CLAIMERS, seconds=60)
    begun = time.monotonic()
    (tmp_path / "go").touch()
    said = [finish(claimer) for claimer in claimers]
    seconds = time.monotonic() - begun
    shares = [(tmp_path / f"claimed-{number}").read_text().splitlines() for number in range(CLAIMERS)]
    claims = [line.split() for share in shares for line in share]
    print(f"{len(claims)} claims in {seconds:.1f} s, shares {[len(share) for share in shares]}, {said}")

    twice = [run for run, times in Counter(run for run, *_ in claims).items() if times > 1]
    assert twice == []
    assert {run for run, *_ in claims} == {run.pk for run in runs}
    # Every claim of an app has an epoch of its own, without a gap, and one of its slots.
    for app in apps:
        assert sorted(int(epoch) for _, of, epoch, _ in claims if int(of) == app.pk) == list(
            range(1, sum(int(of) == app.pk for _, of, *_ in claims) + 1)
        )
    assert {int(slot) for *_, slot in claims} <= set(range(SLOTS))
    assert Runtime.objects.exclude(state=State.FAILED).count() == 0
    # It was a contest: nobody had it all.
    assert min(map(len, shares)) > 0


def finish(claimer: subprocess.Popen[str]) -> str:
    """What it said at the end."""
    output, _ = claimer.communicate(timeout=900)
    assert claimer.returncode == 0, output
    return output.strip().splitlines()[-1]
