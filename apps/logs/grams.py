"""Which chunks of lines may hold a text: the grams of the text are a part of the grams of the chunk.

A gram is a run of three characters, or five digits in a row: logs are full of numbers, every three digits stand in
every chunk, and only longer runs tell one number from another. The beginning of a value, `=` and three characters, is
one as well: `took_ms=123` has nothing else that is rare. Facts about a line (its level, its app ...) are grams as
well, so that one index answers all questions. A gram is kept as its bucket, one of 65,536. Grams only rule chunks out;
whether a line matches is read in the line.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

#: Raised with every change of what follows: an index of another version is deleted and built anew by itself.
VERSION = 1
BUCKETS = 65_536
DIGITS = 5

_VALUE_STARTS = re.compile(r"=(?=(\S{3}))")
_DIGIT_RUNS = re.compile(rf"[0-9]{{{DIGITS},}}")


def searchable(message: str, context: Mapping[str, Any], exception: str) -> str:
    """What a line is searched by, folded to one case: its message, its context as pages show it, its traceback."""
    pairs = "".join(f" {key}={value}" for key, value in context.items())
    return f"{message}{pairs}\n{exception}".casefold()


def chunk_grams(texts: Iterable[str]) -> set[int]:
    """The buckets of the grams of all these texts, which are folded already."""
    whole = "\n".join(texts)
    # A set of tuples first: joining and hashing every occurrence would cost three times as much.
    found = set(map("".join, set(zip(whole, whole[1:], whole[2:], strict=False))))
    for run in _DIGIT_RUNS.findall(whole):
        found.update(run[start : start + DIGITS] for start in range(len(run) - DIGITS + 1))
    found.update("=" + start for start in set(_VALUE_STARTS.findall(whole)))
    return set(map(_bucket, found))


def needle_grams(text: str) -> set[int]:
    """The buckets that every chunk holds in which `text` stands; none for a text that is too short to have any."""
    return chunk_grams([text])


def fact_grams(name: str, value: object) -> set[int]:
    """The buckets of a fact, such as ("app", 17)."""
    # Three of them: alone, one in ten facts would share its bucket with letters that stand in every chunk.
    return {_bucket(f"\0{name}\0{value}\0{turn}") for turn in range(3)}


def logger_grams(logger: str) -> set[int]:
    """Buckets for a logger and everything above it: `source.shop` is found in lines of `source.shop.books`."""
    parts = logger.casefold().split(".")
    return set().union(*(fact_grams("logger", ".".join(parts[: end + 1])) for end in range(len(parts))))


def pack(buckets: Iterable[int]) -> bytes:
    """A set of buckets as one bit each."""
    bits = bytearray(BUCKETS // 8)
    for bucket in buckets:
        bits[bucket >> 3] |= 1 << (bucket & 7)
    return bytes(bits)


def holds(bits: bytes, buckets: Iterable[int]) -> bool:
    """Whether all these buckets are in what `pack` returned."""
    return all(bits[bucket >> 3] >> (bucket & 7) & 1 for bucket in buckets)


def _bucket(gram: str) -> int:
    return zlib.crc32(gram.encode("utf-8", "surrogatepass")) & (BUCKETS - 1)
