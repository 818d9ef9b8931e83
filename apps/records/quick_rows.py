"""Reading rows at speed: a Python function is written for each table, that checks and hashes a row in one go.

It takes what it knows to be right: values of the type a field keeps, within its limits. Whatever else comes is cleaned
by the field itself, or makes the function give up; `rows.py` then goes the long way, which ends in the same values and
the same digest, or in a sentence about what is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core import validators
from django.db import models

from apps.records.refusals import DoesNotFit
from collectors.toolkit.merge.compiling import body, indented, piece_lines, written
from collectors.toolkit.merge.quick import is_odd

Reader = Callable[[Mapping[str, Any]], tuple[str, tuple[Any, ...]]]


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
    fields: Sequence[models.Field[Any, Any]], cleaners: Mapping[str, Callable[[Any], Any]], hashed: Sequence[str]
) -> Reader:
    """A function from a mapping to `(sha, values)`; raises one of `FALLS_BACK` for a row it does not expect."""
    lines = [f"if len(row) != {len(fields)}:", "    raise Unexpected"]
    pieces, names = {}, {"sha3_256": hashlib.sha3_256, "is_odd": is_odd, "Unexpected": Unexpected}
    for number, field in enumerate(fields):
        variable, clean = f"v{number}", f"clean{number}"
        names[clean] = cleaners[field.name]
        lines.append(f"{variable} = row[{field.name!r}]")
        if field.name in hashed:
            lines += _field_lines(field, variable, clean)
            pieces[field.name] = f"p{number}"
        else:
            lines.append(f"{variable} = {clean}({variable})")
    lines += [
        f"text = {body(pieces)}",
        "encoded = f'm{len(text)}:{text}'.encode()",
        "if is_odd(encoded):",
        "    raise Unexpected",
        f"return sha3_256(encoded).hexdigest(), ({''.join(f'v{n}, ' for n in range(len(fields)))})",
    ]
    reader: Reader = written("\n".join(["def read(row):", *indented(lines)]), "read", **names)
    return reader


def _field_lines(field: models.Field[Any, Any], variable: str, clean: str) -> list[str]:
    kind, guard = _kind_and_guard(field, variable)
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
            tests.append(_decimal_test(variable, validator))
        elif type(validator) in TESTS and isinstance(getattr(validator, "limit_value", None), int):
            tests.append(TESTS[type(validator)].format(v=variable, limit=validator.limit_value))
        elif type(validator) is not validators.ProhibitNullCharactersValidator:
            return None, ""
    return kind, " and ".join(tests)


def _decimal_test(variable: str, validator: validators.DecimalValidator) -> str:
    digits, places = validator.max_digits, validator.decimal_places
    if digits is None or places is None:
        return "False"
    limit = 10 ** (digits - places)
    point = f"(point := (written := str({variable})).find('.'))"
    return (
        f"-{limit} < {variable} < {limit} and ({point} < 0 or len(written) - point - 1 <= {places})"
        " and 'E' not in written"
    )
