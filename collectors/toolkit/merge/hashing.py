"""The hash of a row: equal rows hash alike on every backend and every Python version.

`canonical.py` says what is equal.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from collectors.toolkit.merge.canonical import STANDARD, Surrogates, TextForm, Unicode, canonical

ALGORITHM = "sha3_256"


def make_hash(
    data: Any,
    *,
    on_keys: Iterable[str] | None = None,
    exclude_keys: Iterable[str] = (),
    normalize_case: bool = True,
    no_spacing: bool = True,
    unicode: Unicode | None = "NFC",
    regex: str | re.Pattern[str] | None = None,
    algorithm: str = ALGORITHM,
    surrogates: Surrogates = "strict",
) -> str:
    """The digest of the canonical form of a mapping, a dataclass, another object with attributes, or a text, in hex.

    `on_keys` names the fields that count (all of them, if None), `exclude_keys` those that do not; what `regex`
    matches is removed from text. Raises `KeyError` for a name in `on_keys` that the data lacks, `ValueError` for what
    no database can store (a lone surrogate, a moment outside the years 1 to 9999), and `TypeError` for a value of a
    type that has no canonical form.
    """
    form = text_form(
        normalize_case=normalize_case, no_spacing=no_spacing, unicode=unicode, regex=regex, surrogates=surrogates
    )
    return _digest(data, on_keys, frozenset(exclude_keys), form, algorithm)


def bulk_hash(rows: Iterable[Any], **options: Any) -> list[str]:
    """The digests of many rows, in their order, with the options of `make_hash`."""
    on_keys = options.pop("on_keys", None)
    names = None if on_keys is None else list(on_keys)
    excluded, algorithm = frozenset(options.pop("exclude_keys", ())), options.pop("algorithm", ALGORITHM)
    form = text_form(**options)
    return [_digest(row, names, excluded, form, algorithm) for row in rows]


def text_form(
    *,
    normalize_case: bool = True,
    no_spacing: bool = True,
    unicode: Unicode | None = "NFC",
    regex: str | re.Pattern[str] | None = None,
    surrogates: Surrogates = "strict",
) -> TextForm:
    """The options about text as one value."""
    pattern = None if regex is None else re.compile(regex)
    form = TextForm(normalize_case, no_spacing, unicode, pattern, surrogates)
    return STANDARD if form == STANDARD else form


def fields_of(data: Any) -> Mapping[str, Any]:
    """What an object holds, by name; names that begin with an underscore are nobody's business."""
    if isinstance(data, Mapping):
        return data
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    if hasattr(data, "_asdict"):
        named: Mapping[str, Any] = data._asdict()
        return named
    if not hasattr(data, "__dict__") or isinstance(data, type):
        raise TypeError(f"a value of type {type(data).__name__} has no canonical form")
    return {name: value for name, value in vars(data).items() if not name.startswith("_")}


def digest_of(text: str, algorithm: str) -> str:
    """The digest of a canonical form. Raises `ValueError`."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise ValueError("text holds a lone surrogate, which cannot be stored") from None
    return hashlib.new(algorithm, encoded).hexdigest()


def unhashable_field(row: Mapping[str, Any]) -> str:
    """The first field that `make_hash` refuses; empty if there is none."""
    for name, value in row.items():
        try:
            make_hash({name: value})
        except (TypeError, ValueError):
            return name
    return ""


def _digest(data: Any, names: Iterable[str] | None, excluded: frozenset[str], form: TextForm, algorithm: str) -> str:
    if not isinstance(data, str | bytes | int | float | list | tuple | None):
        found = fields_of(data)
        wanted = found.keys() if names is None else names
        data = {name: found[name] for name in wanted if name not in excluded}
    try:
        return digest_of(canonical(data, form), algorithm)
    except OverflowError:
        raise ValueError("a moment lies outside the years 1 to 9999 in UTC, and cannot be stored") from None
