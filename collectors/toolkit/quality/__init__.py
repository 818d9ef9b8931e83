"""Rules of data quality, for the `rules.py` of a room (docs/quality.md).

class PriceRules(DatasetRules):
    model = Price
    row_model = PriceRow  # pydantic, optional
    rules = (Range(field="amount", minimum=0, severity="quarantine"), ArchivedShare(maximum=0.9))
"""

from collectors.toolkit.quality.dataset import DatasetRules
from collectors.toolkit.quality.fields import Format, Length, OneOf, Range, Type
from collectors.toolkit.quality.merges import (
    ArchivedShare,
    EmptyResult,
    Facts,
    Freshness,
    MergeRule,
    RowCount,
)
from collectors.toolkit.quality.relations import Compare, Reference, Unique
from collectors.toolkit.quality.rows import Fits, Required, RowRule
from collectors.toolkit.quality.rules import Rule, Severity
from collectors.toolkit.quality.statistics import Spread, completeness_of, spread_of

__all__ = [
    "ArchivedShare",
    "Compare",
    "DatasetRules",
    "EmptyResult",
    "Facts",
    "Fits",
    "Format",
    "Freshness",
    "Length",
    "MergeRule",
    "OneOf",
    "Range",
    "Reference",
    "Required",
    "RowCount",
    "RowRule",
    "Rule",
    "Severity",
    "Spread",
    "Type",
    "Unique",
    "completeness_of",
    "spread_of",
]
