"""Rows that were put aside, merged after all: each at most once, and those that are still wrong stay where they are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import DatabaseError, transaction

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.quality.in_force import rule_book
from apps.quality.models import QuarantinedRow
from apps.quality.models import Rule as RuleRow
from apps.quality.payload import row_of
from apps.quality.tables import ModelTable
from apps.quality.tallies import RowTallies
from apps.records.backends.base import batches
from apps.records.merge import Hooks
from apps.records.models import DataTable
from apps.records.rows import RowCheck, RowReader
from apps.records.store import DjangoRecordStore
from collectors.contract import Record
from collectors.toolkit.errors import BadRow, RuleBroken, StorageError
from collectors.toolkit.quality.kinds import BadRule

NUMBERED = re.compile(r"\A(Row )\d+")
#: So many rows are one transaction.
CHUNK = 200
MASKED = "A secret was masked when the row was written down, so it is not the row any more; discard it and run again."


@dataclass(slots=True)
class Replayed:
    """What became of the rows that somebody wanted replayed."""

    asked: int = 0
    inserted: int = 0
    unchanged: int = 0
    """They were there already."""
    held: list[tuple[int, str]] = field(default_factory=list)
    """Those that stay, and why."""

    @property
    def sentence(self) -> str:
        """For people."""
        done = self.inserted + self.unchanged + len(self.held)
        parts = [f"{self.inserted} inserted"]
        parts += [f"{self.unchanged} there already"] if self.unchanged else []
        parts += [f"{len(self.held)} still held"] if self.held else []
        parts += [f"{self.asked - done} settled before"] if self.asked > done else []
        return f"{', '.join(parts)} of {self.asked}."


def replay(ids: Iterable[int], *, actor: User | None, source: str, now: datetime) -> Replayed:
    """Merge these rows, with `missing="keep"`, if they are still held and the rules of today let them.

    The rows are locked first, so of two who replay at once the second finds nothing left to do. Where the table is in
    another database a crash in between leaves a row held that is there already; replaying it again changes nothing.
    """
    total, groups = Replayed(), defaultdict[tuple[str, str], list[int]](list)
    for pk, label, run_id in _held(list(dict.fromkeys(ids)), total):
        groups[label, run_id].append(pk)
    for (label, run_id), pks in groups.items():
        for some in batches(pks, CHUNK):
            with transaction.atomic(using="default"):
                _replay_some(label, run_id, some, total, by=actor, now=now)
    record(
        "quality.replayed", "quarantined rows", source=source, actor=actor, now=now,
        asked=total.asked, inserted=total.inserted, unchanged=total.unchanged, held=len(total.held),
    )  # fmt: skip
    return total


def _held(ids: list[int], total: Replayed) -> list[tuple[int, str, str]]:
    total.asked = len(ids)
    found: list[tuple[int, str, str]] = []
    for some in batches(ids, 1000):
        rows = QuarantinedRow.objects.filter(pk__in=some, state=QuarantinedRow.State.HELD).order_by("pk")
        found += rows.values_list("pk", "dataset__label", "runtime")
    return found


def _replay_some(
    label: str, run_id: str, pks: Sequence[int], total: Replayed, *, by: User | None, now: datetime
) -> None:
    locked = QuarantinedRow.objects.select_for_update().filter(pk__in=pks, state=QuarantinedRow.State.HELD)
    rows = list(locked.order_by("pk"))
    attempt = _Attempt(label, run_id, rows)
    attempt.run()
    for row in rows:
        if row.pk in attempt.refused:
            reason, rule, field_name = attempt.refused[row.pk]
            values = {"reason": reason[:1000], "rule": rule[:200] or row.rule, "field": field_name[:100]}
            QuarantinedRow.objects.filter(pk=row.pk).update(**values)
            total.held.append((row.pk, reason))
        else:
            name = by.get_username() if by else ""
            settled = {"state": QuarantinedRow.State.REPLAYED, "settled_at": now, "settled_by": name}
            QuarantinedRow.objects.filter(pk=row.pk, state=QuarantinedRow.State.HELD).update(**settled)
    total.inserted += attempt.inserted
    total.unchanged += len(rows) - len(attempt.refused) - attempt.inserted


class _Attempt:
    """Rows that one run brought for one table, on their way into it."""

    def __init__(self, label: str, run_id: str, rows: Sequence[QuarantinedRow]) -> None:
        self.label, self.run_id, self.rows = label, run_id, rows
        self.inserted = 0
        self.refused: dict[int, tuple[str, str, str]] = {}
        """Row -> reason, rule, field."""
        self._batch: Sequence[QuarantinedRow] = ()
        self._tallies: RowTallies | None = None

    def run(self) -> None:
        """Merge what can be merged; everything else is in `refused`."""
        try:
            model = apps.get_model(self.label)
            book = rule_book(model, RuleRow.objects.filter(label=self.label, is_enabled=True))
        except LookupError:
            return self._refuse_all(f"The table {self.label} is not on this machine.")
        except BadRule as error:
            return self._refuse_all(str(error))
        if not issubclass(model, DataTable):
            return self._refuse_all(f"{self.label} is no table of collected rows any more.")

        def begin(names: Sequence[str]) -> RowCheck:
            self._tallies = RowTallies(book, ModelTable(model), names)
            return self._tallies.check

        hooks = Hooks(on_bad_row=self._on_bad_row, begin_rows=begin)
        wanted = [row for row in self.rows if self._is_wanted(model, row)]
        try:
            self._merge(model, wanted, hooks)
        except BadRow:
            # Rows that contradict each other: the first one comes in, and the others find it there.
            for row in wanted:
                if row.pk not in self.refused and self._is_wanted(model, row):
                    self._merge_alone(model, row, hooks)
        except (StorageError, DatabaseError, BadRule) as error:
            self._refuse(wanted, str(error))

    def _merge_alone(self, model: type[DataTable], row: QuarantinedRow, hooks: Hooks) -> None:
        try:
            self._merge(model, [row], hooks)
        except BadRow as error:
            self._refuse([row], str(error), error.rule, error.field)
        except (StorageError, DatabaseError, BadRule) as error:
            self._refuse([row], str(error))

    def _merge(self, model: type[DataTable], rows: Sequence[QuarantinedRow], hooks: Hooks) -> None:
        if rows:
            self._batch = rows
            store = DjangoRecordStore(runtime_id=self.run_id, dry_run=False, hooks=hooks)
            self.inserted += store.merge(model, [row_of(row.payload) for row in rows], missing="keep").inserted

    def _is_wanted(self, model: type[DataTable], row: QuarantinedRow) -> bool:
        """Whether the row is whole, and nothing newer has taken its place meanwhile."""
        if not row.is_whole:
            self._refuse([row], MASKED)
            return False
        try:
            ((key, sha, _),) = RowReader(model).read([row_of(row.payload)])
        except BadRow as error:
            self._refuse([row], str(error), error.rule, error.field)
            return False
        current = model._default_manager.filter(**_named(model, key), archived_at__isnull=True).first()
        if current is None or current.sha == sha or current.created_at <= row.quarantined_at:
            return True
        self._refuse([row], f"The run {current.runtime[:8]} has brought a newer version since; discard this one.")
        return False

    def _on_bad_row(self, error: BadRow, _row: Record) -> bool:
        row = self._batch[(error.row or 1) - 1]
        if isinstance(error, RuleBroken):
            self._refuse([row], str(error), error.rule, error.field)
            return True
        return False

    def _refuse_all(self, reason: str) -> None:
        self._refuse(self.rows, reason)

    def _refuse(self, rows: Iterable[QuarantinedRow], reason: str, rule: str = "", field_name: str = "") -> None:
        for row in rows:
            # The number is that of the merge it came with, not that of this one.
            told = NUMBERED.sub(rf"\g<1>{row.row}", reason)
            self.refused.setdefault(row.pk, (told, rule, field_name))


def _named(model: type[DataTable], key: Sequence[Any]) -> dict[str, Any]:
    named = zip(model.natural_key, key, strict=True)
    return {f"{name}__isnull" if value is None else name: value is None or value for name, value in named}
