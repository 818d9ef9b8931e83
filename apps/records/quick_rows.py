"""Reading rows at speed: a Python function is written for each table, that checks and hashes a row in one go.

It takes what it knows to be right: values of the type a field keeps, within its limits. Whatever else comes is cleaned
by the field itself, or makes the function give up; `rows.py` then goes the long way, which ends in the same values and
the same digest, or in a sentence about what is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core import validators
from django.db import models

from apps.records.refusals import DoesNotFit
from collectors.toolkit.merge.compiling import body, indented, piece_lines, written
from collectors.toolkit.merge.quick import ODD, LimitedNumbers

#: Called with the number and the row that was left to the long way; None: the row was put aside.
LongWay = Callable[[int, Any], tuple[int, str, tuple[Any, ...]] | None]
Reader = Callable[[Iterable[Any], LongWay], Iterator[tuple[int, str, tuple[Any, ...]]]]


class Unexpected(Exception):
    """The written function leaves this row to the long way."""


#: What the written function raises where a row is not as expected.
FALLS_BACK = (Unexpected, DoesNotFit, KeyError, TypeError, ValueError, ArithmeticError, AttributeError)

KINDS: dict[type[models.Field[Any, Any]], type] = {
    models.CharField: str,
    models.TextField: str,
    models.BooleanField: bool,
    models.SmallIntegerField: int,
    models.IntegerField: int,
    models.BigIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.PositiveIntegerField: int,
    models.PositiveBigIntegerField: int,
    models.FloatField: float,
    models.DecimalField: Decimal,
    models.DateField: date,
    models.DateTimeField: datetime,
}
#: Validators whose work a guard does: class -> test.
TESTS: dict[type, str] = {
    validators.MaxLengthValidator: "len({v}) <= {limit}",
    validators.MinLengthValidator: "len({v}) >= {limit}",
    validators.MinValueValidator: "{v} >= {limit}",
    validators.MaxValueValidator: "{v} <= {limit}",
}


def compile_reader(
    fields: Sequence[models.Field[Any, Any]],
    cleaners: Mapping[str, Callable[[Any], Any]],
    hashed: Sequence[str],
    *,
    scope: Mapping[str, Any],
    mapping_of: Callable[[Any], Mapping[str, Any]],
) -> Reader:
    """A generator `(rows, long_way) -> (number, sha, values)...` for rows of these fields.

    `mapping_of` makes a mapping of a row that is no dict, or raises TypeError.
    """
    names: dict[str, Any] = {
        "FALLS_BACK": FALLS_BACK, "ODD": ODD, "Unexpected": Unexpected, "mapping_of": mapping_of,
        "sha3_256": hashlib.sha3_256,
    }  # fmt: skip
    pieces, lines = {}, []
    for number, field in enumerate(fields):
        variable, clean = f"v{number}", f"clean{number}"
        names[clean] = cleaners[field.name]
        lines.append(f"{variable} = row[{field.name!r}]")
        if field.name in hashed:
            lines += _field_lines(field, variable, clean, names)
            pieces[field.name] = f"p{number}"
        else:
            lines.append(f"{variable} = {clean}({variable})")
        if field.name in scope:
            names[f"wanted{number}"] = scope[field.name]
            lines += [f"if {variable} != wanted{number}:", "    raise Unexpected"]
    values = "".join(f"v{number}, " for number in range(len(fields)))
    source = LOOP.format(
        count=len(fields), body=body(pieces), values=values, lines="\n".join(indented(indented(indented(lines))))
    )
    reader: Reader = written(source, "read", **names)
    return reader


#: The loop around what is written for the fields. One exception handler and no call for a row as expected.
LOOP = """
def read(rows, long_way):
    number = 0
    for row in rows:
        number += 1
        try:
            if type(row) is not dict:
                row = mapping_of(row)
            if len(row) != {count}:
                raise Unexpected
{lines}
            text = {body}
            encoded = f"m{{len(text)}}:{{text}}".encode()
            if len(encoded.translate(None, ODD)) != len(encoded):
                raise Unexpected
            sha = sha3_256(encoded).hexdigest()
        except FALLS_BACK:
            found = long_way(number, row)
            if found is not None:
                yield found
            continue
        yield number, sha, ({values})
"""


def _field_lines(field: models.Field[Any, Any], variable: str, clean: str, names: dict[str, Any]) -> list[str]:
    """`names` gets what the lines need beside the common names."""
    kind, guard = _kind_and_guard(field, variable)
    if isinstance(field, models.DecimalField) and kind is Decimal:
        names[f"{variable}_numbers"] = LimitedNumbers(field.max_digits or 0, field.decimal_places or 0)
    piece = variable.replace("v", "p")
    lines = piece_lines(variable, piece, kind, guard=guard, otherwise=[f"{variable} = {clean}({variable})"])
    if field.null and kind is not None:
        return [f"if {variable} is None:", f"    {piece} = 'n0:'", "else:", *indented(lines)]
    return lines


def _kind_and_guard(field: models.Field[Any, Any], variable: str) -> tuple[type | None, str]:
    """The type of the field's values and the test that stands for its validators; no type where there is more to it."""
    kind = KINDS.get(type(field))
    tests = []
    for validator in field.validators:
        if type(validator) is validators.DecimalValidator and kind is Decimal:
            continue  # LimitedNumbers does it
        limit = getattr(validator, "limit_value", None)
        if type(validator) in TESTS and isinstance(limit, int):
            tests.append(TESTS[type(validator)].format(v=variable, limit=limit))
        elif type(validator) is not validators.ProhibitNullCharactersValidator:
            return None, ""
    return kind, " and ".join(tests)
