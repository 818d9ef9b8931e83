"""Invariants of runs, on the database: one live owner, one terminal move, commands converge, disabling is exact.

Hypothesis chooses what happens, in any order and with duplicates; a model of a few lines says what must come of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.claims import claim_runs
from apps.runtime.ending import end_run
from apps.runtime.models import ENDED, LIVE, MOVES, Command, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.services import issue_command
from apps.runtime.stop_requests import settle_commands
from tests.integration.factories import make_app, make_run

pytestmark = [pytest.mark.hypothesis, pytest.mark.django_db(databases="__all__")]

START, STOP, RESTART = Command.Verb.START, Command.Verb.STOP, Command.Verb.RESTART
ENABLE, DISABLE = Command.Verb.ENABLE, Command.Verb.DISABLE
OPEN = (Command.Progress.PENDING, Command.Progress.CLAIMED)


class OnOneApp(RuleBasedStateMachine):
    """Everything an example writes is rolled back behind it."""

    values: dict[str, Any] = {}

    def __init__(self) -> None:
        super().__init__()
        self._example = transaction.atomic()
        self._example.__enter__()
        self.now = utc_now()
        self.app = make_app("shop.machine.app", is_enabled=True, **self.values)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._example.__exit__(None, None, None)

    def later(self) -> Any:
        self.now += timedelta(seconds=1)
        return self.now

    def row(self) -> App:
        return App.objects.get(pk=self.app.pk)

    def runs(self, *states: State) -> list[Runtime]:
        return list(Runtime.objects.filter(app=self.app, state__in=states).order_by("queued_at", "id"))


# -- I1, I2: one live owner; one terminal move, and then none ----------------------------------------------------------


class Ownership(OnOneApp):
    values = {"max_parallel": 2, "disable_after": 0}

    @initialize(managers=st.integers(2, 4))
    def begin(self, managers: int) -> None:
        now = self.later()
        about = {"host": "h", "boot_id": "b", "pid": 1, "pid_started": 1, "queues": ["runs"]}
        times = {"started_at": now, "heartbeat_at": now, "lease_until": now + timedelta(hours=1)}
        self.nodes = [Node.objects.create(**about, **times) for _ in range(managers)]
        self.held: list[Runtime] = []
        """What managers hold in their memory: some of it is out of date."""
        self.epochs: dict[str, int] = {}
        self.ended: dict[str, tuple[str, str]] = {}

    @rule()
    def queue(self) -> None:
        if len(self.runs(State.QUEUED)) < 3:
            make_run(self.app)

    @rule(data=st.data(), limit=st.integers(1, 3))
    def claim(self, data: Any, limit: int) -> None:
        node = data.draw(st.sampled_from(self.nodes))
        for run in claim_runs(node=node, queues=["runs"], limit=limit):
            assert run.pk not in self.epochs
            assert run.epoch not in self.epochs.values()
            self.epochs[run.pk] = run.epoch
            self.held.append(run)

    @rule(data=st.data())
    def forge_an_older_epoch(self, data: Any) -> None:
        """Somebody who held the run before: no row may change."""
        for run in self.runs(*LIVE):
            stale = Runtime.objects.get(pk=run.pk)
            stale.epoch -= 1
            state = data.draw(st.sampled_from([State.RUNNING, State.STOPPING, *ENDED]))
            moved = end_run(stale, state, now=self.now) if state in ENDED else stale.move(state)
            assert not moved
            assert Runtime.objects.get(pk=run.pk).state == run.state

    @rule(data=st.data(), state=st.sampled_from([State.RUNNING, State.STOPPING]))
    def move(self, data: Any, state: State) -> None:
        if self.held:
            run = data.draw(st.sampled_from(self.held))
            before = Runtime.objects.get(pk=run.pk).state
            assert run.move(state) == (before in MOVES[state])

    @rule(data=st.data(), state=st.sampled_from(ENDED))
    def end(self, data: Any, state: State) -> None:
        runs = self.held + self.runs(State.QUEUED)
        if runs:
            run = data.draw(st.sampled_from(runs))
            before = Runtime.objects.get(pk=run.pk).state
            cause = f"end {len(self.ended)}"
            legal = before in MOVES[state] and run.pk not in self.ended
            assert end_run(run, state, now=self.later(), cause=cause) == legal
            if legal:
                self.ended[run.pk] = (state, cause)

    @invariant()
    def a_terminal_state_is_never_left(self) -> None:
        rows = Runtime.objects.filter(app=self.app, state__in=ENDED).values_list("pk", "state", "cause")
        assert {pk: (state, cause) for pk, state, cause in rows} == getattr(self, "ended", {})

    @invariant()
    def live_runs_have_slots_of_their_own(self) -> None:
        live = self.runs(*LIVE)
        assert len({run.slot for run in live}) == len(live) <= 2
        assert {run.pk: run.epoch for run in live}.items() <= getattr(self, "epochs", {}).items()


# -- I5: commands converge ---------------------------------------------------------------------------------------------


class Commands(OnOneApp):
    """One app, one process at most; managers that are slow; commands repeated and settled at any time."""

    values = {"disable_after": 0}

    def __init__(self) -> None:
        super().__init__()
        self.is_enabled = True
        self.wants: str = "nothing"
        """What the last command that was carried out asks of the app: run, not to run, or nothing."""
        self.said: list[tuple[str, Command]] = []

    @rule(
        verbs=st.lists(st.sampled_from([RESTART, STOP, DISABLE, ENABLE, START]), min_size=2, max_size=4),
        is_keyed=st.booleans(),
    )
    def order(self, verbs: list[Command.Verb], is_keyed: bool) -> None:
        for verb in verbs:
            self._order(verb, is_keyed)
            self.the_highest_command_wins()

    def _order(self, verb: Command.Verb, is_keyed: bool) -> None:
        key = f"k{len(self.said)}"
        command = issue_command(
            self.app, verb, source=Command.Source.API, idempotency_key=key if is_keyed else None, now=self.later()
        )
        if is_keyed:
            self.said.append((key, command))
        if command.state == Command.Progress.NOT_EXECUTED:
            assert (verb in (START, RESTART) and not self.is_enabled) or verb in (START, STOP)
            return
        if verb in (ENABLE, DISABLE):
            self.is_enabled = verb == ENABLE
        if verb in (START, RESTART):
            self.wants = "run"
        if verb == STOP or (verb == DISABLE and not self.runs(State.RUNNING, State.STARTING)):
            self.wants = "rest"

    @rule(data=st.data())
    def repeat(self, data: Any) -> None:
        """The client heard no answer: the same key brings the same command, and changes nothing."""
        if self.said:
            key, first = data.draw(st.sampled_from(self.said))
            runs = Runtime.objects.filter(app=self.app).count()
            verb, source = Command.Verb(first.verb), Command.Source.API
            again = issue_command(self.app, verb, source=source, idempotency_key=key, now=self.later())
            assert again.pk == first.pk
            assert Runtime.objects.filter(app=self.app).count() == runs

    @rule()
    def claim(self) -> None:
        if not self.runs(*LIVE):
            waiting = [run.pk for run in self.runs(State.QUEUED)[:1]]
            Runtime.objects.filter(pk__in=waiting, state=State.QUEUED).update(state=State.RUNNING, slot=0)

    @rule()
    def start_and_claim(self) -> None:
        """The way to a live run is long for chance to find it often."""
        self._order(ENABLE, is_keyed=False)
        self._order(START, is_keyed=False)
        self.claim()

    @rule(state=st.sampled_from([State.STOPPED, State.CRASHED]))
    def end_what_stops(self, state: State) -> None:
        for run in self.runs(State.STOPPING):
            assert end_run(run, state, now=self.later())

    @rule()
    def finish(self) -> None:
        for run in self.runs(State.RUNNING):
            assert end_run(run, State.SUCCEEDED, now=self.later())
            self.wants = "nothing"

    @rule(times=st.integers(1, 3))
    def settle(self, times: int) -> None:
        for _ in range(times):
            settle_commands(now=self.later())

    @invariant()
    def never_more_than_one_process(self) -> None:
        assert len(self.runs(*LIVE)) <= 1
        assert len(self.runs(State.QUEUED)) <= 1

    @invariant()
    def the_highest_command_wins(self) -> None:
        assert self.row().is_enabled == self.is_enabled
        open_starts = Command.objects.filter(app=self.app, state__in=OPEN, verb__in=(START, RESTART))
        assert open_starts.count() <= 1
        coming = bool(self.runs(State.QUEUED, State.STARTING, State.RUNNING)) or open_starts.exists()
        if self.wants == "rest":
            assert not coming
        if self.wants == "run" and self.is_enabled:
            assert coming

    def teardown(self) -> None:
        """Let everything come to rest: each command has exactly one result."""
        for run in self.runs(State.STOPPING):
            end_run(run, State.STOPPED, now=self.later())
        settle_commands(now=self.later())
        self.the_highest_command_wins()
        assert not Command.objects.filter(app=self.app, finished_at=None).exists()
        sequences = list(Command.objects.filter(app=self.app).order_by("pk").values_list("sequence", flat=True))
        assert sequences == list(range(1, len(sequences) + 1))
        super().teardown()


# -- I6: disabling by itself is exact ----------------------------------------------------------------------------------


class AutoDisable(OnOneApp):
    @initialize(disable_after=st.integers(0, 4), attempts=st.integers(0, 2))
    def begin(self, disable_after: int, attempts: int) -> None:
        App.objects.filter(pk=self.app.pk).update(disable_after=disable_after, retry_attempts=attempts)
        self.limit, self.count, self.is_enabled, self.failed = disable_after, 0, True, False

    @rule(state=st.sampled_from([State.FAILED, State.CRASHED, State.TIMED_OUT]), times=st.integers(1, 2))
    def fail(self, state: State, times: int) -> None:
        run = make_run(self.app, State.RUNNING)
        for _ in range(times):  # told twice, counted once
            end_run(run, state, now=self.later(), cause="x")
        self.count += 1
        if self.limit and self.count >= self.limit:
            self.is_enabled = False

    @rule()
    def succeed(self) -> None:
        end_run(make_run(self.app, State.RUNNING), State.SUCCEEDED, now=self.later())
        self.count = 0

    @rule(state=st.sampled_from([State.FAILED, State.CRASHED]))
    def fail_for_the_platform(self, state: State) -> None:
        end_run(make_run(self.app, State.RUNNING), state, now=self.later(), error_category="platform")

    @rule()
    def stop(self) -> None:
        end_run(make_run(self.app, State.RUNNING), State.STOPPED, now=self.later())

    @rule(category=st.sampled_from(["database", "io", ""]))
    def block(self, category: str) -> None:
        run = make_run(self.app, State.RUNNING)
        end_run(run, State.FAILED, now=self.later(), error_category=category, is_blocked=not category)
        self.count, self.is_enabled = self.count + 1, False

    @rule()
    def enable(self) -> None:
        issue_command(self.app, ENABLE, source=Command.Source.API, trial=False, now=self.later())
        self.count, self.is_enabled = 0, True

    @invariant()
    def disabled_exactly_when_it_must_be(self) -> None:
        row = self.row()
        assert (row.is_enabled, row.failures_in_a_row) == (self.is_enabled, self.count)
        assert row.is_enabled == (row.fatal == App.Fatal.NONE)
        assert row.is_enabled or not self.runs(State.QUEUED)


@pytest.mark.parametrize("machine", [Ownership, Commands, AutoDisable])
def test_the_invariant_holds(machine: type[RuleBasedStateMachine]) -> None:
    # Shrinking asks a database hundreds of times; the first example that fails says enough.
    phases = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target)
    run_state_machine_as_test(machine, settings=settings(phases=phases, print_blob=True))
