"""Where rows go and come from: the record store of a run, and the doors to its databases. Part of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NoReturn, Protocol, TypeAlias, TypeVar, overload

T = TypeVar("T")

#: One collected row: a mapping of field names to values, a dataclass, or an instance of a model of the room.
Record: TypeAlias = Any

#: What becomes of current rows that a merge did not see again.
Missing: TypeAlias = Literal["archive", "delete", "keep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """The numbers of a merge: `seen = duplicates + quarantined + inserted + unchanged`."""

    seen: int = 0
    inserted: int = 0
    archived: int = 0
    unchanged: int = 0
    duplicates: int = 0
    changed: int = field(default=0, compare=False)
    """Keys both inserted and archived: they are counted in both. Sources of the first version compare the others."""
    deleted: int = 0
    quarantined: int = 0

    @property
    def new(self) -> int:
        """Keys that were not there before."""
        return self.inserted - self.changed

    def __add__(self, other: MergeResult) -> MergeResult:
        return MergeResult(
            **{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        )


@dataclass(frozen=True, slots=True)
class SeenKeys:
    """The keys of rows that merges saw. What is in it is for the record store alone."""

    group: str
    keys: bytes


class SeenLedger(Protocol):
    """Where those keys are kept until the end of a series."""

    def groups(self) -> Iterable[str]:
        """The groups there are, each once."""
        ...

    def keys(self, group: str) -> Iterator[bytes]:
        """All keys of a group, as they came."""
        ...


class MergeSeries(Protocol):
    """Merges that belong together: none of them takes away what it did not see."""

    def take(self) -> list[SeenKeys]:
        """What was seen since this was asked last."""
        ...

    def finish(self, seen: SeenLedger) -> MergeResult:
        """Archive (or delete) what no merge of the series saw, in one transaction."""
        ...


class RecordStore(Protocol):
    """Where rows go: `context.records`."""

    def merge(
        self,
        model: type,
        rows: Iterable[Record],
        *,
        scope: Mapping[str, Any] | None = None,
        missing: Missing = "archive",
        complete: bool = True,
    ) -> MergeResult:
        """Bring the current rows of `model` to what `rows` say, and return the numbers.

        `scope` limits the merge to the current rows with these field values; a row outside it is an error. With
        `missing="archive"` rows that were not seen again are archived, with `"delete"` deleted, unless `complete` is
        false.
        Raises `BadRow` (nothing is written) and `DatabaseError`.
        """
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Everything merged inside is committed together, or not at all."""
        ...

    def series(self) -> AbstractContextManager[MergeSeries]:
        """Inside, merges take nothing away; `MergeSeries.finish` does, once for all of them."""
        ...


#: Values for the placeholders of a statement: `%s` in their order, `%(name)s` by their names.
Params: TypeAlias = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a routine answered."""

    results: tuple[list[dict[str, Any]], ...] = ()
    """Its result sets, in order."""
    out: Mapping[str, Any] = field(default_factory=dict)
    """Its out parameters, by name."""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The first result set."""
        return self.results[0] if self.results else []

    @property
    def value(self) -> Any:
        """The first column of the first row; None without one."""
        return next(iter(self.rows[0].values()), None) if self.rows else None


class Database(Protocol):
    """`context.database("warehouse")`: statements of one's own, on a connection that an administrator made.

    Values never go into the text of a statement: `%s` or `%(name)s` stands for them, and a percent sign is written
    `%%` where there are any. One statement at a time; transactions begin and end by `session`. In a dry run everything
    is rolled back. Errors are those of `collectors.toolkit.database`.
    """

    @property
    def alias(self) -> str: ...

    @overload
    def query(self, sql: str, params: Params | None = None) -> Iterator[dict[str, Any]]: ...
    @overload
    def query(self, sql: str, params: Params | None = None, *, into: Callable[..., T]) -> Iterator[T]: ...
    def query(self, sql: str, params: Params | None = None, *, into: Any = None) -> Iterator[Any]:
        """Rows as they are read, each a dict by its columns, or `into(**columns)`: a NamedTuple, a dataclass.

        Outside of a session it only reads.
        """
        ...

    def execute(self, sql: str, params: Params | None = None) -> int:
        """Send a statement; returns how many rows it changed. Outside of a session it is a transaction by itself."""
        ...

    def session(self) -> AbstractContextManager[Database]:
        """A transaction: everything inside is committed together, or not at all. One inside another may fail alone."""
        ...

    def call(self, routine: str, *args: Any) -> Called:
        """Call a procedure or a function, `name` or `schema.name`; `args` are what goes in."""
        ...

    def merge(
        self,
        model: type,
        rows: Iterable[Record],
        *,
        scope: Mapping[str, Any] | None = None,
        missing: Missing = "archive",
        complete: bool = True,
    ) -> MergeResult:
        """`RecordStore.merge` into the table that the model has in this database."""
        ...


class Databases(Protocol):
    """Hands out doors to databases."""

    def __call__(self, alias: str, *, timeout_s: float | None = None) -> Database: ...


def no_databases(alias: str, *, timeout_s: float | None = None) -> NoReturn:  # noqa: ARG001 - as `Databases`
    """For contexts that have none."""
    raise LookupError(f'There is no database "{alias}" in this context.')
