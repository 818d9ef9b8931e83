"""Comparing what was collected with what is stored: hashes and the plan of a merge."""

from collectors.toolkit.merge.hashing import compile_hasher, make_hash
from collectors.toolkit.merge.planning import ConflictingRows, MergePlan, Stored, plan_merge

__all__ = ["ConflictingRows", "MergePlan", "Stored", "compile_hasher", "make_hash", "plan_merge"]
