"""Control groups: only where they may be made, and their files say what the kernel is to hold."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from apps.runtime.supervision import cgroups
from apps.runtime.supervision.cgroups import ControlGroup, find_base


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path


def group_with_files(base: Path, *names: str, memory: int | None = None, processes: int | None = None) -> ControlGroup:
    folder = base / "dc-run-r1"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("")
    group = ControlGroup.make(str(base), "r1", memory=memory, processes=processes)
    assert group is not None
    return group


def test_the_limits_are_written_where_the_kernel_holds_them(base: Path) -> None:
    names = ("memory.max", "memory.oom.group", "memory.swap.max", "pids.max")
    group = group_with_files(base, *names, memory=1000, processes=7)
    assert group.holds_limits
    assert [(group.path / name).read_text() for name in names] == ["1000", "1", "0", "7"]


def test_without_the_controllers_the_limits_are_the_shims(base: Path) -> None:
    assert not group_with_files(base, "pids.max", memory=1000, processes=7).holds_limits


def test_a_run_without_such_limits_has_no_group(base: Path) -> None:
    assert ControlGroup.make(str(base), "r1", memory=None, processes=None) is None
    assert ControlGroup.make(None, "r1", memory=1, processes=1) is None
    assert ControlGroup.make("/proc/nowhere", "r1", memory=1, processes=1) is None


@pytest.mark.parametrize(
    ("memory_events", "pids_events", "reason"),
    [
        ("low 0\noom 1\noom_kill 2\n", "max 0\n", "memory"),
        ("oom_kill 0\n", "max 3\n", "processes"),
        ("oom_kill 0\n", "max 0\n", ""),
        ("", "", ""),
    ],
)
def test_what_the_kernel_enforced_is_known(base: Path, memory_events: str, pids_events: str, reason: str) -> None:
    group = group_with_files(base, memory=1)
    (group.path / "memory.events").write_text(memory_events)
    (group.path / "pids.events").write_text(pids_events)
    assert group.ran_out_of() == reason


@pytest.mark.parametrize(("busy_times", "is_gone"), [(0, True), (3, True), (1000, False)])
def test_a_group_is_removed_when_the_last_process_has_left_it(
    base: Path, monkeypatch: pytest.MonkeyPatch, busy_times: int, is_gone: bool
) -> None:
    group, remove, asked = ControlGroup(base / "dc-run-r2"), Path.rmdir, []
    group.path.mkdir()

    def rmdir(path: Path) -> None:
        asked.append(path)
        if len(asked) <= busy_times:
            raise OSError(errno.EBUSY, "Device or resource busy")
        remove(path)

    monkeypatch.setattr(Path, "rmdir", rmdir)
    monkeypatch.setattr(cgroups, "LEAVING_S", 0)
    group.remove()
    assert group.path.exists() is not is_gone


def test_the_peak_is_that_of_the_kernel_where_it_counts(base: Path) -> None:
    group = group_with_files(base, memory=1)
    assert group.peak_memory() is None
    (group.path / "memory.peak").write_text("12345\n")
    assert group.peak_memory() == 12345


@pytest.mark.parametrize(
    ("mounts", "own"),
    [
        ("tmpfs / tmpfs rw 0 0\n", "0::/\n"),
        ("cgroup2 {root} cgroup2 rw 0 0\n", "4:memory:/x\n"),
        ("cgroup2 {root} cgroup2 rw 0 0\n", "0::/../elsewhere\n"),
        ("cgroup2 {root} cgroup2 rw 0 0\n", "0::/system.slice/web.service/leaf\n"),
        ("cgroup2 /proc/nowhere cgroup2 rw 0 0\n", "0::/\n"),
    ],
)
def test_nobody_elses_hierarchy_is_touched(tmp_path: Path, mounts: str, own: str) -> None:
    (tmp_path / "mounts").write_text(mounts.format(root=tmp_path / "hierarchy"))
    (tmp_path / "own").write_text(own)
    (tmp_path / "hierarchy" / "system.slice" / "web.service" / "leaf").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert find_base(tmp_path / "mounts", tmp_path / "own") is None
    assert sorted(tmp_path.rglob("*"))[: len(before)] == before
