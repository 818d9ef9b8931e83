"""The SQL of a merge, for one table: text in, text out, no connection.

`stage` holds the rows that came in (`dc_ord`, natural key, sha). `diff` holds what differs: rows that came in and are
not there (`dc_ord`, key, sha), and rows that are there and did not come in (key, `dc_pk`). Both belong to the
session and are gone after each merge, so their names are always the same: whoever remembers statements need not
remember many.
"""

# ruff: noqa: S608 - names come from models and are quoted, values are parameters

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the natural key."""

    name: str
    is_nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the statements need to know of a table."""

    table: str
    pk: str
    keys: Sequence[Column]
    scope: Sequence[str] = ()
    """Columns whose values limit the merge; `%s` stands for each value, in this order."""


class Statements:
    """In the dialect of PostgreSQL."""

    temporary_prefix: ClassVar[str] = ""

    def __init__(self, layout: Layout, quote: Callable[[str], str]) -> None:
        self.layout = layout
        self._quote = quote
        self.table = quote(layout.table)
        self.pk = quote(layout.pk)
        self.stage_name = f"{self.temporary_prefix}dc_stage"
        self.diff_name = f"{self.temporary_prefix}dc_diff"
        self.stage, self.diff = quote(self.stage_name), quote(self.diff_name)
        self.keys = [quote(column.name) for column in layout.keys]

    # -- Temporary tables -------------------------------------------------------------------------------------------

    def create(self) -> list[str]:
        """Both temporary tables; their columns have the types of the table."""
        return [
            self._create(self.stage, f"{self._null('bigint')} AS dc_ord, {self._of('t')}, t.sha"),
            self._create(self.diff, f"{self._null('bigint')} AS dc_ord, {self._of('t')}, t.sha, t.{self.pk} AS dc_pk"),
        ]

    def drop(self) -> list[str]:
        return [f"DROP TABLE IF EXISTS {self.diff}", f"DROP TABLE IF EXISTS {self.stage}"]

    def _create(self, name: str, columns: str) -> str:
        return f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {columns} FROM {self.table} t WITH NO DATA"

    def _null(self, kind: str) -> str:
        return f"CAST(NULL AS {kind})"

    # -- What differs -----------------------------------------------------------------------------------------------

    def compare_all(self) -> list[str]:
        """Everything that differs on either side. Takes the scope."""
        current = f"SELECT {self.pk}, {self._of()}, sha FROM {self.table} WHERE {self._current()}"
        keys = ", ".join(f"CASE WHEN s.dc_ord IS NULL THEN t.{key} ELSE s.{key} END" for key in self.keys)
        differing = (
            f"INSERT INTO {self.diff} SELECT s.dc_ord, {keys}, s.sha, t.{self.pk} FROM {self.stage} s "
            f"FULL JOIN ({current}) t ON {self._same('t', 's')} AND t.sha = s.sha "
            f"WHERE s.dc_ord IS NULL OR t.{self.pk} IS NULL"
        )
        return [differing]

    def compare_incoming(self) -> list[str]:
        """What came in and differs, and the current rows of these keys. Each takes the scope."""
        successor = f"EXISTS (SELECT 1 FROM {self.diff} n WHERE n.dc_ord IS NOT NULL AND {self._same('t', 'n')})"
        return [self._incoming(), f"{self._not_seen()} AND {successor}"]

    def _incoming(self) -> str:
        return (
            f"INSERT INTO {self.diff} SELECT s.dc_ord, {self._of('s')}, s.sha, NULL FROM {self.stage} s "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.table} t WHERE {self._current('t')} "
            f"AND {self._same('t', 's')} AND t.sha = s.sha)"
        )

    def _not_seen(self) -> str:
        return (
            f"INSERT INTO {self.diff} ({self._of()}, dc_pk) "
            f"SELECT {self._of('t')}, t.{self.pk} FROM {self.table} t WHERE {self._current('t')} "
            f"AND NOT EXISTS (SELECT 1 FROM {self.stage} s WHERE {self._same('t', 's')} AND t.sha = s.sha)"
        )

    def compare_keys(self) -> str:
        """The current rows whose keys did not come in, whatever their hashes. Takes the scope."""
        return (
            f"INSERT INTO {self.diff} ({self._of()}, dc_pk) "
            f"SELECT {self._of('t')}, t.{self.pk} FROM {self.table} t WHERE {self._current('t')} "
            f"AND NOT EXISTS (SELECT 1 FROM {self.stage} s WHERE {self._same('t', 's')})"
        )

    def count_current(self) -> str:
        """Takes the scope."""
        return f"SELECT count(*) FROM {self.table} WHERE {self._current()}"

    def count_matched(self) -> str:
        """How many current rows came in again. Takes the scope."""
        return (
            f"SELECT count(*) FROM {self.table} t WHERE {self._current('t')} "
            f"AND EXISTS (SELECT 1 FROM {self.stage} s WHERE {self._same('t', 's')} AND t.sha = s.sha)"
        )

    def key_columns(self) -> str:
        """No rows, but the columns of the key."""
        return f"SELECT {self._of()} FROM {self.stage} WHERE 1 = 0"

    def count_diff(self) -> str:
        """`(rows that came in and are not there, rows that are there and did not come in)`."""
        return f"SELECT count(dc_ord), count(dc_pk) FROM {self.diff}"

    def count_new(self) -> str:
        """`(keys to insert, keys among them with different contents)`."""
        return (
            "SELECT count(*), sum(CASE WHEN g.lo = g.hi THEN 0 ELSE 1 END) FROM "
            f"(SELECT min(sha) AS lo, max(sha) AS hi FROM {self.diff} WHERE dc_ord IS NOT NULL GROUP BY {self._of()}) g"
        )

    def count_changed(self) -> str:
        """How many of the current rows to archive have a successor."""
        return f"SELECT count(*) FROM {self.diff} g WHERE g.dc_pk IS NOT NULL AND {self._has_successor()}"

    def conflicting_keys(self, limit: int) -> str:
        """Keys that came in with different contents."""
        return self._limited(
            f"{self._of('d')} FROM {self.diff} d WHERE d.dc_ord IS NOT NULL GROUP BY {self._of('d')} "
            "HAVING min(d.sha) <> max(d.sha)",
            limit,
        )

    def obstacles(self, limit: int) -> str:
        """Keys to insert that stay current: they came in twice, or are current outside the scope. With their row."""
        return self._limited(
            f"{self._of('n')}, t.{self.pk} FROM {self.diff} n JOIN {self.table} t ON {self._same('t', 'n')} "
            f"WHERE n.dc_ord IS NOT NULL AND t.archived_at IS NULL "
            f"AND NOT EXISTS (SELECT 1 FROM {self.diff} g WHERE g.dc_pk = t.{self.pk})",
            limit,
        )

    def new_ordinals(self) -> str:
        """One row for each key to insert."""
        return f"SELECT min(dc_ord) FROM {self.diff} WHERE dc_ord IS NOT NULL GROUP BY {self._of()} ORDER BY 1"

    def without_successor(self, count: int) -> str:
        """Which of so many current rows did not come in. Takes their primary keys."""
        gone = f"SELECT g.dc_pk FROM {self.diff} g WHERE g.dc_pk IN ({self._marks(count)})"
        return f"{gone} AND NOT ({self._has_successor()})"

    def forget(self, count: int) -> str:
        """Leave so many current rows as they are. Takes their primary keys."""
        return f"DELETE FROM {self.diff} WHERE dc_pk IN ({self._marks(count)})"

    # -- What is written --------------------------------------------------------------------------------------------

    def delete_missing(self) -> str:
        """Delete the current rows that have no successor."""
        gone = f"SELECT g.dc_pk FROM {self.diff} g WHERE g.dc_pk IS NOT NULL AND NOT ({self._has_successor()})"
        return f"DELETE FROM {self.table} WHERE {self.pk} IN ({gone})"

    def archive(self) -> str:
        """Takes the moment, the run, the moment."""
        return (
            f"UPDATE {self.table} SET archived_at = %s, archived_by = %s, modified_at = %s "
            f"WHERE {self.pk} IN (SELECT dc_pk FROM {self.diff} WHERE dc_pk IS NOT NULL)"
        )

    def insert(self, columns: Sequence[str]) -> str:
        names = ", ".join(map(self._quote, columns))
        return f"INSERT INTO {self.table} ({names}) VALUES ({', '.join(['%s'] * len(columns))})"

    def fill(self) -> str:
        """One row of the stage: ordinal, key, sha."""
        return f"INSERT INTO {self.stage} VALUES ({', '.join(['%s'] * (len(self.keys) + 2))})"

    # -- For a dry run ----------------------------------------------------------------------------------------------

    def new_and_changed(self, limit: int) -> str:
        """`(ordinal, row it replaces or NULL)` of what would be inserted."""
        old = f"SELECT o.* FROM {self.table} o JOIN {self.diff} g ON g.dc_pk = o.{self.pk}"
        return self._limited(
            f"n.dc_ord, t.{self.pk} FROM {self.diff} n LEFT JOIN ({old}) t ON {self._same('t', 'n')} "
            "WHERE n.dc_ord IS NOT NULL ORDER BY n.dc_ord",
            limit,
        )

    def missing(self, limit: int) -> str:
        """The current rows that were not seen again."""
        return self._limited(
            f"g.dc_pk FROM {self.diff} g WHERE g.dc_pk IS NOT NULL AND NOT ({self._has_successor()}) ORDER BY g.dc_pk",
            limit,
        )

    # -- Parts ------------------------------------------------------------------------------------------------------

    def _marks(self, count: int) -> str:
        return ", ".join(["%s"] * count)

    def _of(self, alias: str = "") -> str:
        prefix = f"{alias}." if alias else ""
        return ", ".join(f"{prefix}{key}" for key in self.keys)

    def _current(self, alias: str = "") -> str:
        prefix = f"{alias}." if alias else ""
        tests = [f"{prefix}archived_at IS NULL", *(f"{prefix}{self._quote(name)} = %s" for name in self.layout.scope)]
        return " AND ".join(tests)

    def _same(self, one: str, other: str) -> str:
        pairs = zip(self.keys, self.layout.keys, strict=True)
        return " AND ".join(
            self._null_safe(f"{one}.{key}", f"{other}.{key}") if column.is_nullable else f"{one}.{key} = {other}.{key}"
            for key, column in pairs
        )

    def _null_safe(self, one: str, other: str) -> str:
        # Two equalities, because a hash join needs them.
        return f"COALESCE({one}::text, '') = COALESCE({other}::text, '') AND ({one} IS NULL) = ({other} IS NULL)"

    def _has_successor(self) -> str:
        return f"EXISTS (SELECT 1 FROM {self.diff} n WHERE n.dc_ord IS NOT NULL AND {self._same('n', 'g')})"

    def _limited(self, rest: str, limit: int) -> str:
        return f"SELECT {rest} LIMIT {limit}"
