"""What has to hold after every fault: one end, no process, no slot, no line lost, none there twice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import psycopg

from apps.core.clock import database_now
from apps.proxies.models import ProxyReservation
from apps.runtime.models import ENDED, LIVE, MOVES, Command, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.process import start_time
from tests.chaos.platform import Platform, wait_until
from tests.chaos.room.main import TREE

LEGAL = {(str(was), str(now)) for now, before in MOVES.items() for was in before}
#: The clocks of the test, of the database and of a manager that continues the database's.
TOLERANCE = timedelta(seconds=1)


@dataclass(slots=True)
class Harm:
    """What may have come of a fault."""

    crashed: set[str] = field(default_factory=set)
    """Of these runs at least one has crashed because of it."""
    lost: set[str] = field(default_factory=set)
    """Of these some were taken from a manager that was not heard of: their last lines come late."""
    ended_as: dict[str, State] = field(default_factory=dict)
    """Runs that were to end otherwise than well."""

    def add(self, other: Harm) -> None:
        """Both happened."""
        self.crashed |= other.crashed
        self.lost |= other.lost
        self.ended_as |= other.ended_as


def assert_quiet(platform: Platform, run_ids: list[str], harm: Harm, *, waits_for: Collection[str] = ()) -> None:
    """All runs end, and everything about them is as it should be. `waits_for`: runs whose manager is suspended yet."""
    wait_until(lambda: platform.has_ended(run_ids), f"all runs end\n{platform.said()}")
    _assert_nobody_is_left(platform, run_ids)
    assert not Runtime.objects.filter(state__in=LIVE).exclude(pk__in=waits_for).exists(), "no slot is held"
    leases = ProxyReservation.objects.open().filter(runtime__in=run_ids)
    assert not leases.exists(), f"runs that ended hold addresses: {list(leases)}"
    doubles = platform.ledgers / "doubles"
    assert not doubles.exists(), doubles.read_text()
    _assert_moves(platform, run_ids)
    for run_id in run_ids:
        run = Runtime.objects.get(pk=run_id)
        _assert_times(run)
        _assert_lines(platform, run, is_lost=run_id in harm.lost)
    _assert_ends(run_ids, harm)
    _assert_commands(platform)


def _assert_nobody_is_left(platform: Platform, run_ids: list[str]) -> None:
    collectors = {run_id: [who for who in platform.collectors(run_id) if is_alive(who)] for run_id in run_ids}
    trees = {run_id: [pid for pid in platform.trees(run_id) if is_of_a_tree(pid)] for run_id in run_ids}
    assert not any(collectors.values()), f"collectors outlive their runs: {collectors}"
    assert not any(trees.values()), f"what collectors started outlives their runs: {trees}"
    shims = {who for run_id in run_ids for who in platform.shims(run_id)}
    wait_until(lambda: not any(map(is_alive, shims)), "no shim outlives its run", seconds=5)


def is_alive(who: tuple[int, int]) -> bool:
    """Whether a process is there, and is the same one."""
    pid, started = who
    return start_time(pid) == started


def is_of_a_tree(pid: int) -> bool:
    """Whether this is what a collector has started, and not a process that was given its pid."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    is_ours = words[:2] == [b"sleep", b"600"] or words[2:3] == [TREE.encode()]
    return is_ours and start_time(pid) is not None


def _assert_moves(platform: Platform, run_ids: list[str]) -> None:
    with psycopg.connect(platform.server.url) as database:
        moves = database.execute("SELECT run, was, is_now FROM witness WHERE run = ANY(%s)", [run_ids]).fetchall()
    assert {(was, now) for _, was, now in moves} <= LEGAL
    ends = [run_id for run_id, _, now in moves if now in ENDED]
    assert sorted(ends) == sorted(run_ids), "every run ends once"


def _assert_times(run: Runtime) -> None:
    """By the clock of the database, however wrong a machine's own is."""
    assert run.ended_at is not None
    moments = [run.queued_at, run.started_at or run.queued_at, run.ended_at, database_now()]
    for earlier, later in pairwise(moments):
        assert earlier <= later + TOLERANCE, f"{run.pk} {moments}"


def _assert_lines(platform: Platform, run: Runtime, *, is_lost: bool) -> None:
    said = platform.ledger(run.pk)
    if is_lost:
        wait_until(lambda: set(said) <= set(_stored(run)), f"the last lines of {run.pk} come late")
    stored = _stored(run)
    # The last line may have been said and not entered.
    assert stored in (said, [*said, len(said)]), f"{run.pk} {run.state} {run.cause}"
    lines = list(run.logs.order_by("line_number").values_list("line_number", flat=True))
    assert lines == list(range(1, len(lines) + 1)), run.pk
    assert run.journal_complete or is_lost, f"{run.pk} {run.state} {run.cause}"


def _stored(run: Runtime) -> list[int]:
    lines = run.logs.filter(message="line.said").order_by("line_number")
    return [context["number"] for context in lines.values_list("context_json", flat=True)]


def _assert_ends(run_ids: list[str], harm: Harm) -> None:
    ends = {run.pk: run for run in Runtime.objects.filter(pk__in=run_ids)}
    crashed = {run_id for run_id, run in ends.items() if run.state == State.CRASHED} - harm.ended_as.keys()
    causes = [(run_id, ends[run_id].cause) for run_id in crashed]
    assert crashed <= harm.crashed | harm.lost, f"nobody touched them: {causes}"
    assert bool(crashed & harm.crashed) == bool(harm.crashed), "nobody was hurt"
    assert bool(crashed & harm.lost) == bool(harm.lost), "nothing was taken away"
    for run_id in ends.keys() - crashed:
        wanted = harm.ended_as.get(run_id, State.SUCCEEDED)
        assert ends[run_id].state == wanted, f"{run_id} {ends[run_id].state} {ends[run_id].cause}"


def _assert_commands(platform: Platform) -> None:
    """Whole or not at all: each is one row, each START that was carried out has its run, each run its command."""
    commands = Command.objects.filter(app__in=platform.commanded)
    wait_until(lambda: not commands.filter(finished_at__isnull=True).exists(), "every command is settled")
    started = commands.filter(verb=Command.Verb.START, state=Command.Progress.EXECUTED)
    runs = list(started.values_list("runtime", flat=True))
    assert None not in runs
    assert len(set(runs)) == len(runs)
    assert set(runs) == set(Runtime.objects.filter(app__in=platform.commanded).values_list("pk", flat=True))


def assert_managers_are_well(platform: Platform, lost: set[str]) -> None:
    """Nobody was taken for dead, or for alive, who was not; every manager hears its broker again."""
    ended = Node.objects.filter(ended_at__isnull=False).exclude(pk__in=lost)
    others = ended.exclude(end_cause="Its process is gone.")
    assert not others.exists(), list(others.values_list("pk", "end_cause"))
    for seat in platform.at_work:
        wait_until(lambda seat=seat: not seat.node().broker_error, "a manager hears its broker again")  # type: ignore[misc]
