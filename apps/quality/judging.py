"""What the rules say of a merge, before it is committed. In the process of the run: what is found goes to its journal.

A merge asks four times: for each row that does not fit (`on_bad_row`), for a pass over the rows (`begin_rows`), for a
look at some of them (`sample`), and when everything is written but nothing committed (`gate`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import structlog
from django.db import models

from apps.core.clock import utc_now
from apps.quality.in_force import RuleBook, rule_book
from apps.quality.models import Outcome
from apps.quality.payload import MOST, digest_of, payload_of, pieces_of
from apps.quality.reading import Known, known_of, take_let_through
from apps.quality.tables import ModelTable
from apps.quality.tallies import RowCheck, RowTallies
from collectors.contract import MergeResult, Missing, Record
from collectors.toolkit.errors import BadRow, MergeBlocked, RuleBroken, StorageError
from collectors.toolkit.quality import Facts, MergeRule, completeness_of
from collectors.toolkit.quality.kinds import BadRule

log = structlog.get_logger("quality")

#: Writes a frame of this kind into the journal of the run; False where it could not.
Tell = Callable[[str, dict[str, Any]], bool]
#: A merge that would put more rows aside than this is refused.
MOST_ASIDE = 10_000
LONGEST_WORDS = 1_000


class Quality:
    """Judges the merges of one run."""

    def __init__(self, *, runtime_id: str, tell: Tell, dry_run: bool = False) -> None:
        self.runtime_id = runtime_id
        self.tell = tell
        self.dry_run = dry_run
        self._merges: dict[str, int] = {}

    def judge(
        self,
        model: type[models.Model],
        *,
        scope: Mapping[str, Any] | None = None,
        missing: Missing = "archive",
        complete: bool = True,
        sees_rows: bool = True,
    ) -> Judge:
        """The judge of the next merge into `model`. Raises `MergeBlocked` where the rules make no sense.

        One that `sees_rows` not (the last step of a series) asks no rule about the values of a field.
        """
        label = model._meta.label_lower
        number = self._merges[label] = self._merges.get(label, 0) + 1
        known = known_of(label)
        try:
            book = rule_book(model, known.rules)
        except BadRule as error:
            judge = Judge(self, model, number, RuleBook(()), known, scope or {}, missing, is_complete=complete)
            blocked = MergeBlocked(str(error))
            judge.refused(blocked)
            raise blocked from None
        judge = Judge(self, model, number, book, known, scope or {}, missing, is_complete=complete)
        judge.sees_rows = sees_rows
        return judge


class Judge:
    """Judges one merge."""

    def __init__(
        self,
        quality: Quality,
        model: type[models.Model],
        number: int,
        book: RuleBook,
        known: Known,
        scope: Mapping[str, Any],
        missing: Missing,
        *,
        is_complete: bool,
    ) -> None:
        self.model, self.number, self.book, self.known = model, number, book, known
        self.takes_away = missing != "keep"
        self.is_complete = is_complete
        self.sees_rows = True
        self._quality = quality
        self._scope = json.dumps({name: str(value) for name, value in sorted(scope.items())}) if scope else ""
        self._table = ModelTable(model)
        self._tallies: RowTallies | None = None
        self._fits = next((one for one in book.rules if one.rule.kind == "fits"), None)
        self._told: set[int] = set()
        self._granted: int | None = None
        self._aside = self._unfit = 0
        self._unfit_words = ""
        self._current = 0
        self._result = MergeResult()
        self._completeness: float | None = None
        self._verdicts: list[dict[str, Any]] = []

    # -- What a merge asks --------------------------------------------------------------------------------------------

    def begin_rows(self, names: Sequence[str]) -> RowCheck | None:
        """A pass over the rows begins, maybe once more. None: nobody wants to see them. Raises `MergeBlocked`."""
        self._aside = self._unfit = 0
        self._unfit_words = ""
        try:
            self._tallies = RowTallies(self.book, self._table, names)
        except BadRule as error:
            raise MergeBlocked(str(error)) from None
        return self._tallies.check if self._tallies.is_needed else None

    def on_bad_row(self, error: BadRow, row: Record) -> bool:
        """Whether a row is put aside; if so, it is in the journal by now."""
        if isinstance(error, RuleBroken):
            is_aside = self._tallies is not None and self._tallies.severity(error.rule) == "quarantine"
        else:
            self._unfit += 1
            self._unfit_words = self._unfit_words or str(error)
            is_aside = self._fits is not None and self._fits.rule.severity == "quarantine"
        if not is_aside or self._aside >= MOST_ASIDE or not self._put_aside(error, row):
            return False
        self._aside += 1
        return True

    def sample(self, rows: Iterable[Sequence[Any]]) -> None:
        """Some of the rows that came in, to see how complete they are."""
        self._completeness = completeness_of(rows)

    def gate(self, model: type[models.Model], result: MergeResult, current: int) -> None:
        """Everything is written and nothing committed. Raises `MergeBlocked`."""
        self._result, self._current = result, current
        self._verdicts = [*self._row_verdicts(), *self._merge_verdicts(self._facts())]
        blocks = [verdict for verdict in self._verdicts if verdict["outcome"] == Outcome.BLOCK]
        if (blocks or self.takes_away) and self.known.is_let_through and (by := self._let_through()):
            for verdict in blocks:
                verdict.update(outcome=Outcome.WARN, words=f"{verdict['words']}; let through by {by}")
        elif blocks:
            raise MergeBlocked(f"{blocks[0]['words']} ({blocks[0]['rule']}).")

    # -- What became of it --------------------------------------------------------------------------------------------

    def stored(self) -> None:
        """The merge was committed; in a dry run, it was worked out."""
        worst = Outcome.WARN if any(verdict["outcome"] == Outcome.WARN for verdict in self._verdicts) else Outcome.PASS
        self._say(worst, " ".join(f"{v['words']}." for v in self._verdicts if v["outcome"] == Outcome.WARN))

    def refused(self, error: StorageError) -> None:
        """The merge was rolled back because of its rows or its rules."""
        if not self._verdicts:
            self._verdicts = self._row_verdicts()
            if not any(verdict["outcome"] == Outcome.BLOCK for verdict in self._verdicts):
                rule = getattr(error, "rule", "") or "rules"
                self._verdicts.append(_verdict(rule, "fits", Outcome.BLOCK, str(error), 1))
        self._say(Outcome.BLOCK, str(error))

    def _say(self, outcome: Outcome, cause: str) -> None:
        numbers = asdict(self._result)
        if outcome != Outcome.PASS:
            log.warning("quality.judged", model=self.model._meta.label, outcome=str(outcome), cause=cause)
        if self._quality.dry_run:
            return
        seen = self._result.seen
        broken = (self._tallies.broken if self._tallies else 0) + self._unfit
        self._quality.tell("quality", {
            "model": self.model._meta.label_lower, "merge": self.number, "scope": self._scope[:400],
            "outcome": str(outcome), "cause": cause[:LONGEST_WORDS], "verdicts": self._verdicts[:100],
            "is_complete": self.is_complete, "current": self._current, **numbers,
            "completeness": self._completeness, "consistency": max(0.0, 1 - broken / seen) if seen else None,
        })  # fmt: skip

    # -- Verdicts -----------------------------------------------------------------------------------------------------

    def _facts(self) -> Facts:
        return Facts(
            dataset=self.model.__name__,
            result=self._result,
            current=self._current,
            takes_away=self.takes_away,
            now=utc_now(),
            is_complete=self.is_complete,
            history=self.known.history(self._scope) if self._needs("row_count") else (),
            last_good_at=self.known.last_good_at() if self._needs("freshness") else None,
            newest=self._tallies.newest if self._tallies else {},
        )

    def _needs(self, kind: str) -> bool:
        return any(one.rule.kind == kind for one in self.book.rules)

    def _merge_verdicts(self, facts: Facts) -> list[dict[str, Any]]:
        found = []
        for one in self.book.rules:
            if isinstance(one.rule, MergeRule) and (self.sees_rows or not one.rule.field_names()):
                words = one.rule.fault(facts)
                outcome = Outcome(one.rule.severity) if words else Outcome.PASS
                found.append(_verdict(one.name, one.rule.kind, outcome, words, 0))
        return found

    def _row_verdicts(self) -> list[dict[str, Any]]:
        """A row that was put aside is a warning: the others are stored."""
        found = []
        for tally in self._tallies.tallies if self._tallies else ():
            outcome = Outcome.PASS if not tally.rows else Outcome.BLOCK if tally.severity == "block" else Outcome.WARN
            found.append(_verdict(tally.name, tally.kind, outcome, tally.words, tally.rows))
        if self._fits is not None and self._unfit:
            words = self._unfit_words.rstrip(".")
            found.append(_verdict(self._fits.name, "fits", Outcome.WARN, words, self._unfit))
        return found

    def _let_through(self) -> str:
        """Who lets this merge through; empty where nobody does."""
        if self._quality.dry_run:
            return self.known.let_through_by
        label, run_id = self.model._meta.label_lower, self._quality.runtime_id
        granted = take_let_through(label, run_id, now=utc_now(), taken=self._granted)
        self._granted = granted.pk if granted else self._granted
        return granted.granted_name if granted else ""

    # -- Rows that are put aside --------------------------------------------------------------------------------------

    def _put_aside(self, error: BadRow, row: Record) -> bool:
        if self._quality.dry_run:
            log.info("row.quarantined", model=self.model._meta.label, row=error.row, rule=error.rule, reason=str(error))
            return True
        number = error.row or 0
        if number in self._told:
            return True  # the merge is being tried again
        payload = payload_of(row)
        if len(payload) > MOST:
            return False
        is_told = self._quality.tell("quarantine", {
            "model": self.model._meta.label_lower, "merge": self.number, "row": number, "rule": error.rule[:200],
            "field": error.field[:100], "reason": str(error)[:LONGEST_WORDS],
            "payload": pieces_of(payload), "digest": digest_of(payload),
        })  # fmt: skip
        if is_told:
            self._told.add(number)
        return is_told


def _verdict(rule: str, kind: str, outcome: Outcome, words: str, rows: int) -> dict[str, Any]:
    return {"rule": rule[:200], "kind": kind, "outcome": str(outcome), "words": words[:LONGEST_WORDS], "rows": rows}
