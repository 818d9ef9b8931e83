"""The base of collectors: an author fills in the hooks, this class drives them.

prepare_list  ->  collect, for each item  ->  store, once, in one transaction  ->  cleanup, always
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

from pydantic import BaseModel

from collectors.contract import Context, Ending, Failure, HTTPClient, Logger, Outcome, Record
from collectors.toolkit.errors import BadRow, Blocker, RetryLater, SkipItem, StopRun, StorageError
from collectors.toolkit.scraping.rules import AbortRule, Rules
from collectors.toolkit.scraping.tally import Aborted, Tally


class BaseScraper:
    """A collector that handles one item after the other.

    class Prices(BaseScraper):
        model = Price                                   # rows given as dicts or dataclasses go here

        def prepare_list(self):
            return parse_index(self.request.get(self.args.url).content)

        def collect(self, item):
            yield from parse_page(self.request.get(item).content)
    """

    Args: ClassVar[type[BaseModel] | None] = None
    model: ClassVar[type | None] = None
    abort_rule: ClassVar[Rules] = AbortRule()
    """When the run gives up: one rule for all errors, or `CATEGORY_RULES` for each kind. A blocker always ends it."""

    allowed_networks: ClassVar[tuple[str, ...]] = ()
    """Networks that are not public and that this source has to visit, such as `("10.1.0.0/16",)`."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.is_complete = True
        """Whether the run saw all there is to see; known when `store` is called."""

    # -- What authors fill in -------------------------------------------------------------------------------------

    def prepare_list(self) -> Iterable[Any]:
        """What to collect. A generator will do; where the length is known, pages show progress."""
        raise NotImplementedError(f"{type(self).__name__} needs a prepare_list method.")

    def collect(self, item: Any) -> Any:
        """Fetch and parse one item, into an iterable of rows (an `AsyncScraper` awaits it).

        An error here fails the item, not the run.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a collect method.")

    def store(self, rows: list[Record]) -> None:
        """Store what was collected. The default merges the rows into their models; see `context.records.merge`."""
        for model, group in self._by_model(rows).items():
            self.context.records.merge(model, group, complete=self.is_complete)

    def set_next_run(self, outcome: Outcome) -> datetime | None:
        """When the app is to run next, as a time with a time zone. None, the default, leaves that to its schedule.

        Called once, when everything is stored. A time that is past means at once.
        """
        return None

    def cleanup(self) -> None:
        """Let go of what the run held. Always called."""

    # -- What authors use -------------------------------------------------------------------------------------------

    @property
    def args(self) -> Any:
        """The validated arguments: an instance of `Args`."""
        return self.context.args

    @property
    def request(self) -> HTTPClient:
        """The HTTP client of this thread."""
        return self.context.request

    @property
    def log(self) -> Logger:
        """The log of this run."""
        return self.context.log

    # -- What drives them -------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Collect everything and store it; what comes back says how it went. Errors that end a run propagate."""
        tally = Tally(self.context, self.abort_rule)
        rows: list[Record] = []
        try:
            outcome = self._gather(tally, rows)
            self.is_complete = outcome.complete
            is_blocked = isinstance(outcome, Failure) and outcome.is_blocked
            if outcome.ending is Ending.SUCCEEDED or (rows and not is_blocked):
                with self.context.records.transaction():
                    self.store(rows)
            return self._with_next_run(outcome)
        finally:
            self._clean()

    def _gather(self, tally: Tally, rows: list[Record]) -> Outcome:
        try:
            self._collect_all(self._items(tally), tally, rows)
        except Aborted as error:
            return Failure(cause=str(error), category=error.category, is_blocked=error.is_blocked)
        except StopRun as error:
            return Outcome(cause=str(error), complete=False)
        return self._judge(tally)

    def _judge(self, tally: Tally) -> Outcome:
        if self.context.stop_requested:
            return Outcome(ending=Ending.STOPPED, complete=False)
        if tally.failed and not tally.solved:
            cause = f"None of {tally.failed} items could be collected. The last error: {tally.last_error}"
            return Failure(cause=cause, category=tally.worst_category)
        if tally.failed:
            cause = f"{tally.failed} of {tally.solved + tally.failed} items failed, so no missing row was archived."
            return Outcome(cause=cause, complete=False)
        return Outcome(complete=self.context.limit is None)

    def _items(self, tally: Tally) -> Iterator[Any]:
        items, limit = self.prepare_list(), self.context.limit
        if isinstance(items, Sized):
            tally.expect(len(items) if limit is None else min(limit, len(items)))
        elif limit is not None:
            tally.expect(limit)
        return islice(iter(items), limit)

    def _collect_all(self, items: Iterator[Any], tally: Tally, rows: list[Record]) -> None:
        """Collect the items into `rows` until they end or somebody asks to stop."""
        for item in items:
            if self.context.stop_requested:
                return
            rows.extend(self._attempt(item, tally))

    def _attempt(self, item: Any, tally: Tally) -> list[Record]:
        try:
            rows = list(self.collect(item))
        except Exception as error:  # noqa: BLE001 - an author's code may raise anything; _settle tells it apart
            self._settle(item, error, tally)
            return []
        tally.solve()
        return rows

    def _settle(self, item: Any, error: Exception, tally: Tally) -> None:
        """What an error in one item means: for the run if it says so, else for the item."""
        if isinstance(error, (StopRun, RetryLater, Blocker, StorageError)):
            raise error
        if isinstance(error, SkipItem):
            tally.skip(item, str(error))
        else:
            tally.fail(item, error)

    def _by_model(self, rows: list[Record]) -> dict[type, list[Record]]:
        groups: dict[type, list[Record]] = {} if self.model is None else {self.model: []}
        for number, row in enumerate(rows, start=1):
            model = type(row) if hasattr(row, "_meta") else self.model
            if model is None:
                raise BadRow(
                    f"Row {number} is a {type(row).__name__}, and {type(self).__name__} does not say which model it "
                    "belongs to: set the class attribute `model`, or give instances of a model."
                )
            groups.setdefault(model, []).append(row)
        return groups

    def _with_next_run(self, outcome: Outcome) -> Outcome:
        try:
            return replace(outcome, next_run=self.set_next_run(outcome))
        except Exception:
            # What was stored is stored; the app runs when its schedule says.
            self.log.exception("set_next_run.failed")
            return outcome

    def _clean(self) -> None:
        try:
            self.cleanup()
        except Exception:
            # What was stored is stored; an error while tidying up is worth a line, not the run.
            self.log.exception("cleanup.failed")
