"""Holding a parser against a page that was kept, and the rows that it gave when somebody looked at them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from collectors.toolkit.testing.recorded import VARIABLE


def assert_parses(parse: Callable[[bytes], Any], page: Path, *, expected: Path | None = None) -> None:
    """Fail unless `parse` makes of the bytes of `page` the rows in `expected`, by default `<page>.rows.json` beside it.

        def test_it_reads_the_list():
            assert_parses(parse_list, PAGES / "list.html")

    Rows are mappings or dataclasses, one or many; values that JSON does not know are compared as text. With
    `DC_TEST_RECORD=1` the rows are written down instead: look at them before you commit them. A failure names the row
    and the field.
    """
    expected = expected or page.with_name(f"{page.name}.rows.json")
    found = _rows(parse(page.read_bytes()))
    if os.environ.get(VARIABLE):
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return
    if not expected.is_file():
        raise AssertionError(f"There are no rows to compare with in {expected}: write them with {VARIABLE}=1.")
    _compare(found, json.loads(expected.read_text("utf-8")), page.name)


def _rows(result: Any) -> list[Any]:
    single = dataclasses.is_dataclass(result) or isinstance(result, Mapping) or not isinstance(result, Iterable)
    return [_plain(row) for row in ([result] if single else result)]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _compare(found: list[Any], expected: list[Any], page: str) -> None:
    for number, (row, wanted) in enumerate(zip(found, expected, strict=False), start=1):
        if row == wanted:
            continue
        if isinstance(row, dict) and isinstance(wanted, dict):
            names = [name for name in {**wanted, **row} if row.get(name, ...) != wanted.get(name, ...)]
            said = "; ".join(
                f"{name!r} is {_shown(row, name)}, and was {_shown(wanted, name)}" for name in sorted(names)
            )
        else:
            said = f"it is {row!r}, and was {wanted!r}"
        raise AssertionError(f"Row {number} of {page} has changed: {said}.")
    if len(found) != len(expected):
        raise AssertionError(f"{page} gives {len(found)} rows, and gave {len(expected)}.")


def _shown(row: dict[str, Any], name: str) -> str:
    return repr(row[name]) if name in row else "missing"
