"""Comparing what was collected with what is stored: hashes, differences, and the plan of a merge."""

from collectors.toolkit.merge.canonical import canonical
from collectors.toolkit.merge.comparing import ObjectDiff, changed_fields, obj_diff
from collectors.toolkit.merge.compiling import compile_hasher
from collectors.toolkit.merge.hashing import bulk_hash, make_hash, unhashable_field
from collectors.toolkit.merge.planning import ConflictingRows, MergePlan, Stored, plan_merge
from collectors.toolkit.merge.series import Group, pack_keys, takings, unpack_keys

__all__ = [
    "ConflictingRows",
    "Group",
    "MergePlan",
    "ObjectDiff",
    "Stored",
    "bulk_hash",
    "canonical",
    "changed_fields",
    "compile_hasher",
    "make_hash",
    "obj_diff",
    "pack_keys",
    "plan_merge",
    "takings",
    "unhashable_field",
    "unpack_keys",
]
