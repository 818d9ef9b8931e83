"""Rows held against the rules, one after the other, with the count of what each rule found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

from apps.quality.in_force import RuleBook
from apps.quality.tables import ModelTable
from collectors.toolkit.errors import RuleBroken
from collectors.toolkit.quality import Freshness, RowRule, Severity
from collectors.toolkit.quality.kinds import fault_words
from collectors.toolkit.quality.rows import Check, Fault

#: Given the number of a row, its hash and its values: the error, if it breaks a rule that is more than a warning.
RowCheck = Callable[[int, str, Sequence[Any]], RuleBroken | None]


@dataclass(slots=True)
class Tally:
    """How many rows broke a rule, and what was wrong with the first of them."""

    name: str
    kind: str
    severity: Severity
    check: Check
    rows: int = 0
    words: str = ""


class RowTallies:
    """One pass over the rows of a merge."""

    def __init__(self, book: RuleBook, table: ModelTable, names: Sequence[str]) -> None:
        """`names` are those of the values in each row. Whatever the rules ask of a database is asked here."""
        self.model = table.model
        self.names = [*names, "sha"]
        self.tallies = [
            Tally(one.name, one.rule.kind, one.rule.severity, one.rule.check(table))
            for one in book.rules
            if isinstance(one.rule, RowRule) and one.rule.kind != "fits"
        ]
        if book.row_model is not None:
            check = _model_check(book.row_model)
            self.tallies.append(Tally(book.row_model.__name__, "row_model", book.row_model_severity, check))
        self.newest: dict[str, Any] = {
            one.rule.field: None for one in book.rules if isinstance(one.rule, Freshness) and one.rule.field
        }
        self.broken = 0
        """Rows that broke at least one rule, warnings included."""
        # What is worst is looked for first: a row that blocks need not be put aside. Whether there was an earlier row
        # is asked at last, and of rows that are stored alone: one that is put aside stands in nobody's way.
        order: dict[Severity, int] = {"block": 0, "quarantine": 1, "warn": 2}
        self._ordered = sorted(self.tallies, key=lambda tally: (tally.kind == "unique", order[tally.severity]))

    @property
    def is_needed(self) -> bool:
        """Whether anybody wants to see rows."""
        return bool(self.tallies or self.newest)

    def severity(self, name: str) -> Severity:
        """What follows when the rule of this name is broken."""
        return next((tally.severity for tally in self.tallies if tally.name == name), "block")

    def check(self, number: int, sha: str, values: Sequence[Any]) -> RuleBroken | None:
        """See `RowCheck`."""
        row = dict(zip(self.names, (*values, sha), strict=True))
        error, is_broken = None, False
        for tally in self._ordered:
            if error is not None and tally.kind == "unique":
                break
            fault = tally.check(row)
            if fault is None:
                continue
            is_broken = True
            tally.rows += 1
            words = self._words(number, fault)
            tally.words = tally.words or words
            if error is None and tally.severity != "warn":
                error = RuleBroken(f"{words} ({tally.name}).", row=number, field=fault[0], rule=tally.name)
        self.broken += is_broken
        if error is None:
            self._remember_newest(row)
        return error

    def _words(self, number: int, fault: tuple[str, str]) -> str:
        field, words = fault
        named = f'"{field}" {words}' if field else words
        return f"Row {number} of {self.model.__name__}: {named}"

    def _remember_newest(self, row: Mapping[str, Any]) -> None:
        for field, newest in self.newest.items():
            value = row[field]
            if isinstance(value, date) and (newest is None or value > newest):
                self.newest[field] = value


def _model_check(row_model: type[BaseModel]) -> Check:
    validate = row_model.model_validate

    def check(row: Mapping[str, Any]) -> Fault:
        try:
            validate({name: value for name, value in row.items() if name != "sha"})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = str(first["loc"][0]) if first["loc"] else ""
            words = first["msg"].removeprefix("Value error, ") if field else fault_words(error)[0].rstrip(".")
            return field, f"is not as {row_model.__name__} has it: {words}" if field else words
        return None

    return check
