"""What a server said, out of what an ODBC driver makes of it."""

from __future__ import annotations


def plain(said: str) -> str:
    """`Text. (102)` of `('42000', '[42000] [FreeTDS][SQL Server]Text. (102) (SQLExecDirectW)')`; others as they are."""
    first = said.strip().partition("\n")[0]
    if not first.startswith(("(", "[")) or "]" not in first:
        return first
    text = first.removesuffix(")").rstrip("'\"").partition("[SQL Server]")[2] or first.rpartition("]")[2]
    return text.split(" (SQL")[0].strip()
