"""What the platform expects of every source, held against the recording of its site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from collectors.contract import Context, Ending, Outcome
from collectors.toolkit.http import ClientPool, Profile, networks
from collectors.toolkit.testing.context import MemoryContext, make_context
from collectors.toolkit.testing.memory import MemoryRecords
from collectors.toolkit.testing.recorded import is_recording, recording_into, replaying

_LOOPBACK = ("127.0.0.0/8", "::1")


def assert_contract(
    source: Callable[[Context], Any],
    recording: Path,
    *,
    app: str,
    args: Any = None,
    secrets: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> MemoryContext:
    """Fail unless `source` does on its recorded site what the platform expects of every source.

        def test_it_keeps_the_contract():
            context = assert_contract(Prices, RECORDED, app="shop.books.prices", args=Prices.Args(), limit=3)
            assert len(context.records.rows(Price)) == 3

    `source` is the class, or a plain `main(context)`. It is run on the answers in the folder `recording`: it succeeds,
    no item fails, and there are rows; a second run on the same pages changes nothing; a run of one item, and one that
    is asked to stop before it begins, archive nothing. Returns the context of the first run.

    With `DC_TEST_RECORD=1` the first run goes to the site and is recorded (`recorded`), with the real `secrets` if the
    test reads them from the environment; `limit` keeps the recording small.
    """
    allowed = networks(" ".join([*_LOOPBACK, *getattr(source, "allowed_networks", ())]))
    profile = Profile(allowed=allowed)
    records = MemoryRecords()

    def run(clients: ClientPool, at_most: int | None, *, stop: bool = False) -> tuple[MemoryContext, Outcome]:
        context = make_context(args, app=app, limit=at_most, clients=clients, records=records, secrets=secrets)
        if stop:
            context.stop.set()
        try:
            return context, _run(source, context)
        finally:
            clients.close()

    first, outcome = run(recording_into(recording, profile) if is_recording() else replaying(recording, profile), limit)
    _assert_it_succeeds(first, outcome)
    before = records.totals
    run(replaying(recording, profile), limit)
    changes = records.totals.inserted + records.totals.archived - before.inserted - before.archived
    _expect(
        changes == 0,
        f"A second run on the same pages changes {changes} rows: a row holds something that differs from run to run, "
        "such as the time it was fetched at.",
    )
    for kind, at_most, stop in (("is limited to one item", 1, False), ("was asked to stop", limit, True)):
        run(replaying(recording, profile), at_most, stop=stop)
        archived = records.totals.archived - before.archived
        _expect(
            archived == 0,
            f"A run that {kind} archives {archived} rows that it did not look for: hand complete=self.is_complete on "
            "to records.merge.",
        )
    return first


def _run(source: Callable[[Context], Any], context: MemoryContext) -> Outcome:
    made = source(context)
    outcome = made.run() if callable(getattr(made, "run", None)) else made
    if isinstance(outcome, Outcome):
        return outcome
    return Outcome(ending=Ending.STOPPED if context.stop_requested else Ending.SUCCEEDED)


def _assert_it_succeeds(context: MemoryContext, outcome: Outcome) -> None:
    errors = [entry for entry in context.log.entries if entry.level == "error"]
    said = f" The last error: {errors[-1].values.get('exc_info') or errors[-1].error}" if errors else ""
    _expect(outcome.ending is Ending.SUCCEEDED, f"The run ends as {outcome.ending}: {outcome.cause}{said}")
    _expect(context.progress.failed == 0, f"{context.progress.failed} items fail.{said}")
    _expect(context.records.totals.inserted > 0, "The run stores no row.")


def _expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
