"""What the `rules.py` of a room says of one of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from collectors.toolkit.quality.rules import Rule, Severity

if TYPE_CHECKING:
    from pydantic import BaseModel


class DatasetRules:
    """The rules of one table. A subclass in `rules.py` is found by itself."""

    model: ClassVar[type]
    """The table."""
    rules: ClassVar[tuple[Rule, ...]] = ()
    row_model: ClassVar[type[BaseModel] | None] = None
    """A pydantic model that every row has to satisfy; it is given the values as the table keeps them, by name."""
    row_model_severity: ClassVar[Severity] = "block"
    """What becomes of a row that does not satisfy it."""
