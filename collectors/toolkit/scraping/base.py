"""The base of collectors: an author fills in the hooks, this class drives them.

prepare_list  ->  collect, for each item  ->  store, once or in batches, in a transaction  ->  cleanup, always
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

from pydantic import BaseModel

from collectors.contract import Context, Ending, Failure, HTTPClient, Logger, Outcome, Record
from collectors.toolkit.deadlines import Deadline, ItemTimeout, deadline_is
from collectors.toolkit.errors import BadRow, Blocker, RetryLater, SkipItem, StopRun, StorageError
from collectors.toolkit.scraping.feeds import Entry, Feed
from collectors.toolkit.scraping.rules import AbortRule, Rules
from collectors.toolkit.scraping.tally import Aborted, Tally
from collectors.toolkit.scraping.work import Work


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

    item_timeout_s: ClassVar[float | None] = None
    """An item that takes longer fails with `ItemTimeout`; None: it takes as long as its requests do."""
    store_every: ClassVar[int | None] = None
    """Store after so many rows or items, whichever comes first; None: everything at the end, in one transaction."""

    resume: ClassVar[bool] = False
    """A run that does not come to the end of its list leaves the rest to the next one (docs/sources/scraping.md)."""
    resume_within_s: ClassVar[float] = 24 * 3600.0
    """A list that is older is made anew."""
    item_attempts: ClassVar[int] = 3
    """So many runs try an item that fails, then it is given up."""
    item_type: ClassVar[Any] = None
    """What items are, where they are no plain JSON: a dataclass, `tuple[str, int]`, whatever pydantic reads back."""
    delay_s: ClassVar[tuple[float, float] | float | None] = None
    """The pause between two requests to a site, as (least, most) in seconds; None: that of the installation."""

    obey_robots: ClassVar[bool] = True
    """Whether robots.txt is asked, and obeyed."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.is_complete = True
        """Whether the run saw all there is to see; known when `store` is called. Of batches: whether it still may."""

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
        work = Work(self)
        try:
            with ExitStack() as stack:
                work.open(stack)
                outcome = self._gather(work)
                work.finish(outcome)
            return self._with_next_run(outcome)
        finally:
            self._clean()

    def _gather(self, work: Work) -> Outcome:
        try:
            self._collect_all(work.feed(), work)
        except Aborted as error:
            return Failure(cause=str(error), category=error.category, is_blocked=error.is_blocked)
        except StopRun as error:
            if self.context.stop_requested:
                return Outcome(ending=Ending.STOPPED, complete=False)
            return Outcome(cause=str(error), complete=False)
        return self._judge(work)

    def _judge(self, work: Work) -> Outcome:
        if self.context.stop_requested:
            return Outcome(ending=Ending.STOPPED, complete=False)
        tally = work.tally
        solved, failed = tally.solved + work.solved_before, tally.failed + work.given_up
        if failed and not solved:
            last = f" The last error: {tally.last_error}" if tally.failed else ""
            cause = f"None of {failed} items could be collected.{last}"
            return Failure(cause=cause, category=tally.worst_category)
        if failed:
            cause = f"{failed} of {solved + failed} items failed, so no missing row was archived."
            return Outcome(cause=cause, complete=False)
        return Outcome(complete=self.context.limit is None)

    def _listed(self, tally: Tally) -> Iterator[Any]:
        """The list, as far as it is wanted."""
        items, limit = self.prepare_list(), self.context.limit
        if isinstance(items, Sized):
            tally.expect(len(items) if limit is None else min(limit, len(items)))
        elif limit is not None:
            tally.expect(limit)
        return islice(iter(items), limit)

    def _collect_all(self, feed: Feed, work: Work) -> None:
        """Collect the items until they end or somebody asks to stop."""
        for entry in feed:
            if self.context.stop_requested:
                return
            work.settle(entry, self._attempt(entry, work.tally, Deadline(self.item_timeout_s)))
            if work.shelf.is_full:
                work.store_batch(work.shelf.clear())

    def _attempt(self, entry: Entry, tally: Tally, deadline: Deadline) -> list[Record] | None:
        """The rows of one item; None if it failed."""
        try:
            if entry.error is not None:
                raise entry.error
            with deadline_is(deadline):
                rows = list(self.collect(entry.item))
            if deadline.left_s <= 0:
                raise deadline.error()
        except Exception as error:  # noqa: BLE001 - an author's code may raise anything; _settle tells it apart
            if deadline.is_called_off:
                return None
            return self._settle(entry.item, late(error, deadline), tally)
        tally.solve()
        return rows

    def _settle(self, item: Any, error: Exception, tally: Tally) -> list[Record] | None:
        """What an error in one item means: for the run if it says so, else for the item.

        No rows, if the item was left out; None, if it failed.
        """
        if isinstance(error, (StopRun, RetryLater, Blocker, StorageError)):
            raise error
        if isinstance(error, SkipItem):
            tally.skip(item, str(error))
            return []
        tally.fail(item, error)
        return None

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


def late(error: Exception, deadline: Deadline) -> Exception:
    """Whatever an item fails with after its deadline, it fails because of that."""
    if deadline.left_s > 0 or isinstance(error, (ItemTimeout, StopRun, RetryLater, Blocker, StorageError, SkipItem)):
        return error
    timeout = deadline.error()
    timeout.__cause__ = error
    return timeout
