"""Rows of the staging table in PostgreSQL's binary COPY format, packed by a function written for its key.

The format: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format. Every value is its length (four bytes,
-1 for NULL) and its bytes; moments are microseconds since 2000-01-01 UTC, dates days.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from django.db import models

from collectors.toolkit.merge.columns import Column
from collectors.toolkit.merge.compiling import indented, written

#: Given the numbers and hashes of rows, and their columns.
Packer = Callable[[Sequence[int], list[str], Sequence[Column]], bytes]

SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

#: Field class -> (OIDs of the column, expression for the bytes with their length); {v} is the value.
TEXT = ((25, 1043), "SIZE(len(b := {v}.encode())) + b")
KINDS: dict[type[models.Field[Any, Any]], tuple[tuple[int, ...], str]] = {
    models.CharField: TEXT,
    models.TextField: TEXT,
    models.SlugField: TEXT,
    models.URLField: TEXT,
    models.EmailField: TEXT,
    models.SmallIntegerField: ((21,), "SHORT(2, {v})"),
    models.PositiveSmallIntegerField: ((21,), "SHORT(2, {v})"),
    models.IntegerField: ((23,), "INTEGER(4, {v})"),
    models.PositiveIntegerField: ((23,), "INTEGER(4, {v})"),
    models.BigIntegerField: ((20,), "LONG(8, {v})"),
    models.PositiveBigIntegerField: ((20,), "LONG(8, {v})"),
    models.BooleanField: ((16,), "(b'\\0\\0\\0\\1\\1' if {v} else b'\\0\\0\\0\\1\\0')"),
    models.DateField: ((1082,), "INTEGER(4, {v}.toordinal() - DAY_ZERO)"),
    models.DateTimeField: ((1184,), "LONG(8, microseconds({v}))"),
    models.UUIDField: ((2950,), "SIXTEEN + {v}.bytes"),
}


def compile_packer(
    fields: Sequence[models.Field[Any, Any]], kinds: Sequence[int], places: Sequence[int]
) -> Packer | None:
    """A function that packs a batch of rows with key columns of these types; None where one is not known.

    `kinds` are the OIDs of the columns as the database has them, `places` where each key is among the values.
    """
    expressions, keys, given = [], "", ""
    for number, (field, kind, place) in enumerate(zip(fields, kinds, places, strict=True)):
        oids, expression = KINDS.get(type(field), ((), ""))
        if kind not in oids:
            return None
        packed = expression.format(v=f"k{number}")
        expressions.append(f"(NULL if k{number} is None else {packed})" if field.null else packed)
        keys, given = f"{keys}, k{number}", f"{given}, columns[{place}]"
    # Number of columns, then the ordinal as an eight-byte integer.
    row = f"HEAD({len(fields) + 2}, 8, number) + {' + '.join(expressions)} + SIXTY_FOUR + sha.encode()"
    rows = f"[{row} for number, sha{keys} in zip(numbers, shas{given})]"
    packer: Packer = written(
        "\n".join(["def pack(numbers, shas, columns):", *indented([f"return b''.join({rows})"])]),
        "pack",
        HEAD=struct.Struct(">hiq").pack,
        SIZE=struct.Struct(">i").pack,
        SHORT=struct.Struct(">ih").pack,
        INTEGER=struct.Struct(">ii").pack,
        LONG=struct.Struct(">iq").pack,
        SIXTEEN=struct.pack(">i", len(uuid.UUID(int=0).bytes)),
        SIXTY_FOUR=struct.pack(">i", 64),
        NULL=NULL,
        DAY_ZERO=date(2000, 1, 1).toordinal(),
        microseconds=microseconds,
    )
    return packer


def microseconds(moment: datetime) -> int:
    """Since the epoch of PostgreSQL."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
