"""Rows of an answer, by the names of their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from collectors.toolkit.database.errors import BadStatement
from collectors.toolkit.database.statements import shown


def columns_of(description: Iterable[Sequence[Any]] | None, sql: str) -> list[str]:
    """The names of the columns. Raises `BadStatement` where a row could not be told by them."""
    if description is None:
        raise BadStatement(f"The statement answers no rows: {shown(sql)}")
    names = [str(column[0]) for column in description]
    twice = sorted({name for name in names if not name or names.count(name) > 1})
    if twice:
        which = ", ".join(f'"{name}"' for name in twice)
        raise BadStatement(f"More than one column, or one without a name, is {which}; name it by AS: {shown(sql)}")
    return names


def maker(names: Sequence[str], into: Callable[..., Any] | None, sql: str) -> Callable[[Sequence[Any]], Any]:
    """What makes a row of its values."""

    def as_dict(values: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(names, values, strict=True))

    def as_that(values: Sequence[Any]) -> Any:
        try:
            return into(**as_dict(values))  # type: ignore[misc]
        except TypeError as error:
            raise BadStatement(f"The columns {', '.join(names)} do not fit: {error}. {shown(sql)}") from None

    return as_dict if into is None else as_that
