"""Whether a manager holds its lease, as the shims of its runs see it."""

from __future__ import annotations

from datetime import timedelta

from apps.runtime.nodes import LEASE
from apps.runtime.supervision.lease import CUT_OFF_S, LeaseNote, boot_time, renewed_s_ago
from apps.runtime.supervision.spec import RunSpec
from apps.runtime.supervision.usage import CUT_OFF_GRACE_S, Meter


def spec(**values: str) -> RunSpec:
    return RunSpec(run_id="r", app_id=1, app_code="a.b.c", epoch=1, args={}, **values)  # type: ignore[arg-type]


def test_a_run_that_is_cut_off_ends_three_seconds_before_the_lease_does() -> None:
    assert timedelta(seconds=CUT_OFF_S) == LEASE - timedelta(seconds=3)
    # Looked at four times a second, and killed a grace after that.
    assert LEASE.total_seconds() - 1 > CUT_OFF_S + 0.25 + CUT_OFF_GRACE_S


def test_a_note_says_when_the_lease_was_renewed() -> None:
    note = LeaseNote()
    note.renew(boot_time() - 5)
    assert 5 <= renewed_s_ago(note.path) < 10
    note.renew(boot_time())
    assert renewed_s_ago(note.path) < 5


def test_without_its_manager_nobody_holds_a_lease() -> None:
    assert renewed_s_ago("/proc/0/fd/7") == float("inf")


def test_a_note_that_makes_no_sense_is_none() -> None:
    assert renewed_s_ago("/dev/null") == float("inf")


def test_only_the_run_of_an_exclusive_app_minds() -> None:
    note = LeaseNote()
    assert Meter(spec(lease_note=note.path)).passed_limit() == ""
    note.renew(boot_time() - CUT_OFF_S)
    assert Meter(spec(lease_note=note.path)).passed_limit() == "lease"
    assert Meter(spec()).passed_limit() == ""
