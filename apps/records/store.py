"""`context.records`: the record store of a run, on Django's databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from django.db import DatabaseError, connections, router, transaction

from apps.core.clock import utc_now
from apps.records.merge import merge_rows
from apps.records.models import DataTable
from apps.records.router import data_alias
from collectors.contract import MergeResult, Missing, Record
from collectors.toolkit.errors import BadRow, MissingTable, StorageError


class OnMerge(Protocol):
    """Is told of a merge."""

    def __call__(self, model: type[DataTable], result: MergeResult, *, dry_run: bool) -> None: ...


class DjangoRecordStore:
    """Merges rows and keeps the sum of the numbers. In a dry run it works everything out and writes nothing."""

    def __init__(self, *, runtime_id: str, dry_run: bool, on_merge: OnMerge | None = None) -> None:
        """`on_merge` is told of each merge once it is committed."""
        self.runtime_id = runtime_id
        self.dry_run = dry_run
        self.on_merge = on_merge
        self.totals = MergeResult()

    def merge(
        self,
        model: type,
        rows: Iterable[Record],
        *,
        scope: Mapping[str, Any] | None = None,
        missing: Missing = "archive",
        complete: bool = True,
    ) -> MergeResult:
        """See `collectors.contract.RecordStore`."""
        if not issubclass(model, DataTable):
            raise BadRow(f"{model.__name__} is not a DataTable, so rows cannot be merged into it.")
        alias = router.db_for_write(model)
        with explained(alias):
            result = merge_rows(
                model,
                rows,
                alias=alias,
                runtime_id=self.runtime_id,
                scope=scope or {},
                archive_missing=missing == "archive" and complete,
                write=not self.dry_run,
                now=utc_now(),
            )
            if self.on_merge is not None:
                tell = partial(self.on_merge, model, result, dry_run=self.dry_run)
                transaction.on_commit(tell, using=alias)
        self.totals += result
        return result

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `collectors.contract.RecordStore`."""
        before = self.totals
        try:
            with explained(data_alias()), transaction.atomic(using=data_alias()):
                yield
        except BaseException:
            self.totals = before
            raise


@contextmanager
def explained(alias: str) -> Iterator[None]:
    """A database's error as one sentence of ours."""
    try:
        yield
    except DatabaseError as error:
        first_line = str(error).strip().partition("\n")[0]
        raise StorageError(f'The database "{alias}" refused: {first_line}.') from error


def check_tables(label: str) -> None:
    """Raise `MissingTable` when a table of the room `label` does not exist; the message says what to type."""
    from django.apps import apps

    models = [model for model in apps.get_app_config(label).get_models() if model._meta.managed]
    if not models:
        return
    alias = data_alias()
    with explained(alias):
        existing = set(connections[alias].introspection.table_names())
    for model in models:
        if model._meta.db_table not in existing:
            raise MissingTable(
                f'The table "{model._meta.db_table}" does not exist in the database "{alias}". '
                f"Create it: manage.py migrate {label} --database {alias}"
            )
