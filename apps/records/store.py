"""`context.records`: the record store of a run, on Django's databases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, cast, get_args

import structlog
from django.apps import apps
from django.db import connections, router, transaction

from apps.core.clock import utc_now
from apps.databases.fence_table import OWN_STATEMENTS
from apps.databases.models import RESERVED_ALIASES
from apps.quality.judging import Judge, Quality
from apps.records.block import Block, explained
from apps.records.merge import Hooks, Order, merge_rows, take_away
from apps.records.models import DataTable
from apps.records.preview import Difference
from apps.records.router import data_alias
from apps.records.schema import SchemaMemory
from apps.records.series import KeptKeys, Series
from collectors.contract import MergeResult, Missing, Record
from collectors.discovery import RoomConfig
from collectors.toolkit.errors import BadRow, MergeBlocked, MissingTable, StorageError
from collectors.toolkit.merge import Group

log = structlog.get_logger("records")


class OnMerge(Protocol):
    """Is told of a merge."""

    def __call__(self, model: type[DataTable], result: MergeResult, *, alias: str, dry_run: bool) -> None: ...


class DjangoRecordStore:
    """Merges rows and keeps the sum of the numbers. In a dry run it works everything out and writes nothing."""

    def __init__(
        self,
        *,
        runtime_id: str,
        dry_run: bool,
        on_merge: OnMerge | None = None,
        hooks: Hooks | None = None,
        quality: Quality | None = None,
    ) -> None:
        """`on_merge` is told of each merge once it is committed; `hooks` and `quality` have a say before that."""
        self.runtime_id = runtime_id
        self.dry_run = dry_run
        self.on_merge = on_merge
        self.hooks = hooks or Hooks(on_difference=tell_difference)
        self.quality = quality
        self.totals = MergeResult()
        self._schema = SchemaMemory()
        self._block: Block | None = None
        self._series: Series | None = None

    def merge(
        self,
        model: type,
        rows: Iterable[Record],
        *,
        scope: Mapping[str, Any] | None = None,
        missing: Missing = "archive",
        complete: bool = True,
        using: str = "",
    ) -> MergeResult:
        """See `collectors.contract.RecordStore`; `using` is another connection than that of the model."""
        if not issubclass(model, DataTable):
            raise BadRow(f"{model.__name__} is not a DataTable, so rows cannot be merged into it.", rule="kind")
        if missing not in get_args(Missing):
            raise StorageError(f'"{missing}" is nothing that can become of missing rows: archive, delete or keep.')
        alias = using or router.db_for_write(model)
        self._prepare(alias)
        watch = None
        if self._series is not None and missing != "keep":
            watch = self._series.watch(model, alias, scope or {}, missing, complete=complete)
            complete = False
        missing = missing if complete else "keep"
        if self._block is not None:
            self._block.span(alias)
            self._block.tables[alias].add(model._meta.db_table)
            if missing != "keep":
                self._block.add_snapshot(model, scope or {})
        with explained(alias):
            judge = self._judge(model, scope, missing, complete=complete)
            order = self._order(model, alias, scope or {}, missing)
            order = replace(order, hooks=replace(order.hooks, watch=watch))
            result = merge_rows(order, rows) if judge is None else _judged(judge, order, rows)
            self._tell(order, judge, result)
        self.totals += result
        return result

    def _judge(
        self, model: type[DataTable], scope: Mapping[str, Any] | None, missing: Missing, **about: bool
    ) -> Judge | None:
        return None if self.quality is None else self.quality.judge(model, scope=scope, missing=missing, **about)

    def _tell(self, order: Order, judge: Judge | None, result: MergeResult) -> None:
        if judge is not None:
            transaction.on_commit(judge.stored, using=order.alias)
        if self.on_merge is not None:
            tell = partial(self.on_merge, order.model, result, alias=order.alias, dry_run=self.dry_run)
            transaction.on_commit(tell, using=order.alias)

    @contextmanager
    def series(self) -> Iterator[Series]:
        """See `collectors.contract.RecordStore`."""
        self._series = Series(self._sweep)
        try:
            yield self._series
        finally:
            self._series = None

    def _sweep(self, groups: Sequence[tuple[Group, KeptKeys]]) -> MergeResult:
        swept = MergeResult()
        with self.transaction():
            for group, keys in groups:
                swept += self._take_away(group, keys)
        return swept

    def _take_away(self, group: Group, keys: KeptKeys) -> MergeResult:
        model, alias = cast("type[DataTable]", apps.get_model(group.dataset)), group.alias
        self._prepare(alias)
        if self._block is not None:
            self._block.span(alias)
            self._block.tables[alias].add(model._meta.db_table)
        with explained(alias):
            judge = self._judge(model, group.scope, group.missing, sees_rows=False)
            order = self._order(model, alias, group.scope, group.missing)
            found = take_away(order, keys) if judge is None else _judged(judge, order, keys, take_away)
            # What came in again was counted when it did.
            result = MergeResult(archived=found.archived, deleted=found.deleted)
            self._tell(order, judge, result)
        self.totals += result
        return result

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `collectors.contract.RecordStore`. One inside another is part of it."""
        if self._block is not None:
            yield
            return
        before = self.totals
        self._prepare(data_alias())
        try:
            with ExitStack() as stack:
                self._block = Block(stack)
                self._block.span(data_alias())
                yield
                if self.hooks.fence is not None and not self.dry_run:
                    # In one order, so that two runs never wait for each other crosswise.
                    for alias, tables in sorted(self._block.tables.items()):
                        self.hooks.fence(alias, sorted(tables) or [OWN_STATEMENTS])
        except BaseException:
            self.totals = before
            raise
        finally:
            self._block = None

    def begin(self, label: str) -> None:
        """See that the tables of the room `label` are there, while nothing is collected yet. Raises `MissingTable`."""
        for alias in check_tables(label):
            try:
                self._prepare(alias)
            except StorageError as error:
                # Not every connection of a room is written to; the first merge that needs it says so again.
                log.warning("fence.missing", connection=alias, reason=str(error))

    def _prepare(self, alias: str) -> None:
        if self.hooks.prepare is not None and not self.dry_run:
            self.hooks.prepare(alias)

    def _order(self, model: type[DataTable], alias: str, scope: Mapping[str, Any], missing: Missing) -> Order:
        hooks = self.hooks if self._block is None else replace(self.hooks, fence=None)
        return Order(
            model=model,
            alias=alias,
            runtime_id=self.runtime_id,
            now=utc_now(),
            scope=scope,
            missing=missing,
            is_dry_run=self.dry_run,
            hooks=hooks,
            schema=self._schema,
            tables=() if self._block is None else _tables_beside(model, alias),
        )


def _judged(
    judge: Judge, order: Order, rows: Iterable[Any], do: Callable[[Order, Iterable[Any]], MergeResult] = merge_rows
) -> MergeResult:
    """The merge, with the rules of the dataset having a say."""
    hooks = replace(order.hooks, gate=judge.gate)
    if judge.sees_rows:
        hooks = replace(hooks, on_bad_row=judge.on_bad_row, begin_rows=judge.begin_rows, sample=judge.sample)
    try:
        return do(replace(order, hooks=hooks), rows)
    except (BadRow, MergeBlocked) as error:
        judge.refused(error)
        raise


def _tables_beside(model: type[DataTable], alias: str) -> list[str]:
    """The tables of the room on this connection, in the order of their names: whoever locks several locks them so."""
    models = apps.get_app_config(model._meta.app_label).get_models()
    beside = (each for each in models if issubclass(each, DataTable) and each._meta.managed)
    return sorted({model._meta.db_table, *(m._meta.db_table for m in beside if router.db_for_write(m) == alias)})


def tell_difference(model: type[DataTable], difference: Difference) -> None:
    """Say in the log of the run what a dry run would change."""
    fields = {name: {"old": str(old), "new": str(new)} for name, (old, new) in difference.fields.items()}
    key = {name: str(value) for name, value in difference.key.items()}
    log.info("row.differs", model=model._meta.label, change=difference.kind, key=key, fields=fields)


def check_tables(label: str) -> list[str]:
    """The connections of the tables of the room `label`.

    Raises `MissingTable` when one of them does not exist; the message says what to type.
    """
    room, tables = apps.get_app_config(label), defaultdict[str, list[str]](list)
    for model in room.get_models():
        if model._meta.managed:
            tables[router.db_for_write(model)].append(model._meta.db_table)
    for alias, names in tables.items():
        with explained(alias):
            existing = set(connections[alias].introspection.table_names())
        for name in names:
            if name not in existing:
                command = f"migrate {label} --database {alias}"
                if isinstance(room, RoomConfig) and alias not in RESERVED_ALIASES:
                    command = f"deploy create {room.room.info.code}"
                raise MissingTable(
                    f'The table "{name}" does not exist in the database "{alias}". Create it: manage.py {command}'
                )
    return list(tables)
