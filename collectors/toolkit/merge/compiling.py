"""Hashing at speed: a Python function is written for exactly the fields of a table.

`make_hash` asks every value what it is. Where the types are known beforehand, most of that can be decided once: the
written function holds one short test per field, and one long f-string. What it did not expect takes the slow road, to
the same digest; `tests/unit/collectors/toolkit/merge` holds the two against each other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from collectors.toolkit.merge import quick
from collectors.toolkit.merge.canonical import STANDARD, canonical
from collectors.toolkit.merge.hashing import ALGORITHM, digest_of, fields_of, text_form

Hasher = Callable[[Any], str]

#: Names that written code may use.
NAMESPACE: dict[str, Any] = {
    "Decimal": Decimal,
    "INTEGERS": quick.INTEGERS,
    "TEXTS": quick.TEXTS,
    "UTC": UTC,
    "canonical": canonical,
    "date": date,
    "datetime": datetime,
    "day": quick.day,
    "foreign": quick.foreign,
    "moment": quick.moment,
    "trailing": quick.trailing,
}

#: Expected type -> (test, canonical form). {v} is the variable of the value, `t` is free to use. Of the white space
#: only the plain blank is removed here: a row in which `quick.is_odd` finds another kind goes the slow road. Integers
#: of more than 18 digits do too, because str() refuses very long ones.
PIECES: dict[type, tuple[str, str]] = {
    str: (
        "type({v}) is str and len({v}) < 256",
        "TEXTS[len(t := {v}.replace(' ', '').lower())] + t if {v}.isascii() else foreign({v})",
    ),
    bool: ("type({v}) is bool", "'b1:1' if {v} else 'b1:0'"),
    int: (
        "type({v}) is int and -1000000000000000000 < {v} < 1000000000000000000",
        "INTEGERS[len(t)] + t + 'e0' if (t := str({v}))[-1] != '0' else trailing(t)",
    ),
    float: ("type({v}) is float", "{v}_numbers[{v}] if {v} == {v} else 'i3:nan'"),
    Decimal: ("type({v}) is Decimal", "{v}_numbers[str({v})]"),
    date: ("type({v}) is date", "day({v})"),
    datetime: ("type({v}) is datetime and {v}.tzinfo is UTC", "moment({v})"),
}


def compile_hasher(
    fields: Iterable[str] | Mapping[str, type | None], *, algorithm: str = ALGORITHM, **options: Any
) -> Hasher:
    """A function that hashes these fields of a row, with the digests of `make_hash(row, on_keys=fields, **options)`.

    `fields` may say which type to expect of each; a value of another type is hashed all the same, more slowly.
    The function raises what `make_hash` raises.
    """
    kinds = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields)
    if (form := text_form(**options)) is not STANDARD:
        names = list(kinds)

        def hasher(row: Any) -> str:
            found = fields_of(row)
            return _refused(lambda: digest_of(canonical({name: found[name] for name in names}, form), algorithm))

        return hasher
    lines = ["def body_of(row):"]
    pieces = {}
    for number, (name, kind) in enumerate(kinds.items()):
        variable, piece = f"v{number}", f"p{number}"
        lines.append(f"    {variable} = row[{name!r}]")
        lines += indented(piece_lines(variable, piece, kind))
        pieces[name] = piece
    body_of = written("\n".join([*lines, f"    return {body(pieces)}"]), "body_of")
    is_odd = quick.is_odd
    new = getattr(hashlib, algorithm, None) or (lambda data: hashlib.new(algorithm, data))

    def compiled(row: Any) -> str:
        try:
            text = body_of(row if isinstance(row, Mapping) else fields_of(row))
            encoded = f"m{len(text)}:{text}".encode()
            if not is_odd(encoded):
                digest: str = new(encoded).hexdigest()
                return digest
        except (UnicodeEncodeError, OverflowError):
            pass  # said in words by the slow road
        found = fields_of(row)
        return _refused(lambda: digest_of(canonical({name: found[name] for name in kinds}), algorithm))

    return compiled


def piece_lines(
    variable: str, piece: str, kind: type | None, *, guard: str = "", otherwise: Iterable[str] = ()
) -> list[str]:
    """Lines of code that put the canonical form of `variable` into `piece`.

    `guard` is a further test of a value of the expected kind; `otherwise` is what to do first with any other value.
    """
    slow = [*otherwise, f"{piece} = canonical({variable})"]
    if kind not in PIECES:
        return slow
    test, form = (text.format(v=variable) for text in PIECES[kind])
    tests = f"{test} and {guard}" if guard else test
    return [f"if {tests}:", f"    {piece} = {form}", "else:", *indented(slow)]


def body(pieces: Mapping[str, str]) -> str:
    """The expression that joins pieces (field name -> variable) to the canonical form of a row, without its head."""
    named = sorted((STANDARD.name(name), piece) for name, piece in pieces.items())
    literals = [repr(f"{len(name)}:{name}=").replace("{", "{{").replace("}", "}}") for name, _ in named]
    joined = (f"f{text[:-1]}{{{piece}}}{text[-1]}" for text, (_, piece) in zip(literals, named, strict=True))
    return "(" + " ".join(joined) + ")" if named else "''"


def indented(lines: Iterable[str]) -> list[str]:
    """The lines one level deeper."""
    return [f"    {line}" for line in lines]


def written(source: str, name: str, **names: Any) -> Any:
    """The function `name` of this source. Names of fields are in it as literals, values never.

    Each variable with numbers gets a memory of its own: prices that are all different do not crowd out ratings.
    """
    memories = {found: quick.Numbers() for found in set(re.findall(r"\bv\d+_numbers\b", source))}
    namespace = {**NAMESPACE, **memories, **names}
    exec(compile(source, f"<{name}>", "exec"), namespace)  # noqa: S102 - the source is written by this package
    return namespace[name]


def _refused(work: Callable[[], str]) -> str:
    try:
        return work()
    except OverflowError:
        raise ValueError("a moment lies outside the years 1 to 9999 in UTC, and cannot be stored") from None
