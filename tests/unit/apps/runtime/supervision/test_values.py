"""What travels between manager, forkserver, shim and collector."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import apps.runtime.supervision as face
from apps.runtime.supervision.fingerprint import Fingerprint
from apps.runtime.supervision.lifeline import Lifeline
from apps.runtime.supervision.spec import Order, RunSpec

SPEC = RunSpec(run_id="r1", app_id=1, app_code="a.b.c", epoch=3, args={"deep": [{"x": None}], "text": "ä" * 300_000})


def test_a_spec_travels_as_json() -> None:
    assert RunSpec.from_json(SPEC.as_json()) == SPEC


def test_an_order_of_any_length_travels_in_a_file() -> None:
    order = Order(spec=SPEC, entry="a.b", command=["c"], journal_root="/data/journal", secrets=["s"], cgroup=None)
    assert Order.from_file(order.as_file()) == order


def test_both_ends_of_a_lifeline_hear_each_other_in_portions_and_the_end() -> None:
    ours, other = Lifeline.pair()
    theirs = Lifeline(other)
    assert ours.hear() == []
    other.send(b'{"kind": "sta')
    assert ours.hear() == []
    other.send(b'ge", "stage": "grace"}\n{"kind": "x"}\n')
    assert ours.hear() == [{"kind": "stage", "stage": "grace"}, {"kind": "x"}]
    ours.say("stop", why="because")
    ours.close()
    assert theirs.hear() == [{"kind": "stop", "why": "because"}]
    assert theirs.is_cut
    theirs.say("ended")
    theirs.close()


def test_a_shim_starts_without_django_and_without_the_logging_of_the_platform() -> None:
    program = (
        "import sys, apps.runtime.supervision.shim; print([m for m in ('django', 'structlog') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_face_offers_what_it_names_and_nothing_else() -> None:
    assert all(hasattr(face, name) for name in face.__all__)
    with pytest.raises(AttributeError):
        _ = face.Shim


def test_a_fingerprint_changes_with_any_python_file_below_its_folders(tmp_path: Path) -> None:
    folder, env = tmp_path / "code", tmp_path / ".env"
    (folder / "deep" / "__pycache__").mkdir(parents=True)
    (folder / "deep" / "models.py").write_text("a")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    fingerprint = Fingerprint([folder], [env])
    seen = {fingerprint.value(at_most_old=False)}
    for path, is_watched in (
        (folder / "deep" / "models.py", True),
        (folder / "new.py", True),
        (env, True),
        (folder / "deep" / "__pycache__" / "x.py", False),
        (folder / "notes.txt", False),
    ):
        path.write_text("changed")
        value = fingerprint.value(at_most_old=False)
        assert (value not in seen) is is_watched, path
        seen.add(value)


def test_a_fingerprint_is_looked_at_now_and_then_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.runtime.supervision.fingerprint.EVERY_S", 3600.0)
    fingerprint = Fingerprint([tmp_path])
    before = fingerprint.value()
    (tmp_path / "new.py").write_text("")
    assert fingerprint.value() == before
    assert fingerprint.value(at_most_old=False) != before
