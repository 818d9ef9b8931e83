"""Comparing what was collected with what is stored: hashes, differences, and the plan of a merge."""

from collectors.toolkit.merge.canonical import canonical
from collectors.toolkit.merge.comparing import ObjectDiff, changed_fields, obj_diff
from collectors.toolkit.merge.compiling import compile_hasher
from collectors.toolkit.merge.hashing import bulk_hash, make_hash, unhashable_field
from collectors.toolkit.merge.planning import ConflictingRows, MergePlan, Stored, plan_merge

__all__ = [
    "ConflictingRows",
    "MergePlan",
    "ObjectDiff",
    "Stored",
    "bulk_hash",
    "canonical",
    "changed_fields",
    "compile_hasher",
    "make_hash",
    "obj_diff",
    "plan_merge",
    "unhashable_field",
]
