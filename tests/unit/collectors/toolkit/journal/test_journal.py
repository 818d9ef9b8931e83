"""The journal: what was written is read, whatever was done to the file or to the writer."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.journal import Damage, Frame, Journal, Redactor, read_frames
from collectors.toolkit.journal.framing import MAX_FRAME_BYTES, body_of, decode, dump, frame, line_text, parse, split
from collectors.toolkit.journal.reader import scan

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
DATA = st.dictionaries(st.sampled_from(["event", "url", "n", "x y", "\n"]), JSON, max_size=4)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, about=lambda: {"runtime": "r" * 32})


def lines_of(journal: Journal) -> list[Frame]:
    return [frame for frame in read_frames(journal.path).frames if frame.kind not in ("open", "seal")]


def test_what_is_written_is_read_in_order_and_numbered_without_gaps(journal: Journal) -> None:
    for number in range(100):
        assert journal.write("log", {"event": "counted", "number": number}, at=float(number))
    journal.close()
    reading = read_frames(journal.path)
    assert [frame.seq for frame in reading.frames] == list(range(1, 103))
    assert [frame.kind for frame in reading.frames] == ["open", *["log"] * 100, "seal"]
    assert reading.frames[0].data["runtime"] == "r" * 32
    assert reading.frames[0].data["journal"] == journal.id == journal.path.stem
    assert [(frame.at, frame.data["number"]) for frame in reading.frames[1:-1]] == [(n, n) for n in range(100)]
    assert (reading.damage, reading.pending, reading.end) == ([], 0, journal.path.stat().st_size)


def test_reading_goes_on_where_it_ended(journal: Journal) -> None:
    journal.write("log", {"n": 1})
    first = read_frames(journal.path)
    assert read_frames(journal.path, first.end).frames == []
    journal.write("log", {"n": 2})
    second = read_frames(journal.path, first.end)
    assert [frame.data for frame in second.frames] == [{"n": 2}]
    assert read_frames(journal.path, limit=10).frames[0].seq == 1


def test_only_its_owner_can_read_it(journal: Journal) -> None:
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_after_the_seal_nothing_is_written(journal: Journal) -> None:
    journal.close()
    assert not journal.write("log", {"n": 1})
    journal.close()
    assert [frame.kind for frame in read_frames(journal.path).frames] == ["open", "seal"]


def test_threads_share_a_journal(journal: Journal) -> None:
    def work(name: int) -> None:
        for number in range(200):
            journal.write("log", {"name": name, "number": number})

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frames = lines_of(journal)
    assert [frame.seq for frame in frames] == list(range(2, 1602))
    for name in range(8):
        assert [f.data["number"] for f in frames if f.data["name"] == name] == list(range(200))


def test_a_forked_child_begins_a_journal_of_its_own(journal: Journal) -> None:
    script = f"""
import os
from pathlib import Path
from collectors.toolkit.journal import Journal
journal = Journal(Path({str(journal.folder)!r}), about=lambda: {{"role": "parent"}})
journal.write("log", {{"who": "parent"}})
if os.fork() == 0:
    journal.write("log", {{"who": "child"}})
    os._exit(0)
os.wait()
journal.write("log", {{"who": "parent"}})
print(journal.id)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    parent = done.stdout.strip()
    others = [path for path in journal.folder.iterdir() if path.stem not in (parent, journal.id)]
    assert len(others) == 1
    assert [f.data.get("who") for f in read_frames(journal.folder / f"{parent}.journal").frames] == [
        None,
        "parent",
        "parent",
    ]
    child = read_frames(others[0]).frames
    assert child[0].data["parent_journal"] == parent
    assert [f.data.get("who") for f in child] == [None, "child"]


def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from collectors.toolkit.journal import Journal
journal = Journal(Path({str(tmp_path)!r}), about=dict)
for number in range(500):
    journal.write("log", {{"number": number}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script])
    assert done.returncode == -signal.SIGKILL
    (path,) = tmp_path.iterdir()
    reading = read_frames(path)
    assert [f.data["number"] for f in reading.frames[1:]] == list(range(500))
    assert (reading.damage, reading.pending) == ([], 0)


# -- Damage ---------------------------------------------------------------------------------------------------------


def sample() -> tuple[bytes, list[bytes]]:
    lines = [frame(n, "log", float(n), dump({"event": f"e{n}", "n": n})) for n in range(1, 6)]
    return b"".join(lines), lines


def test_cut_at_every_byte_exactly_the_whole_frames_are_read() -> None:
    data, lines = sample()
    for cut in range(len(data) + 1):
        whole, size = 0, 0
        while whole < len(lines) and size + len(lines[whole]) <= cut:
            size += len(lines[whole])
            whole += 1
        reading = scan(data[:cut])
        assert [f.seq for f in reading.frames] == list(range(1, whole + 1))
        assert (reading.end, reading.pending, reading.damage) == (size, cut - size, [])


def test_whichever_bit_flips_no_other_frame_is_lost_and_none_is_invented() -> None:
    data, lines = sample()
    starts = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
    for place in range(len(data)):
        hit = next(n for n in range(len(lines)) if starts[n] <= place < starts[n + 1])
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            reading = scan(bytes(flipped))
            # A newline that is lost glues the frame to the next one.
            lost = {hit + 1, hit + 2} if place == starts[hit + 1] - 1 else {hit + 1}
            assert [f.seq for f in reading.frames] == [n for n in range(1, 6) if n not in lost]
            if max(lost) < 5:
                assert reading.damage == [Damage(starts[min(lost) - 1], starts[max(lost)])]


@pytest.mark.hypothesis
@given(st.lists(DATA, max_size=6), st.data())
def test_any_frames_cut_anywhere_read_back_as_the_whole_ones(datas: list[dict[str, Any]], draw: st.DataObject) -> None:
    lines = [frame(n, "log", 1.5, dump(data)) for n, data in enumerate(datas, start=1)]
    data = b"".join(lines)
    cut = draw.draw(st.integers(0, len(data)))
    reading = scan(data[:cut])
    whole = data[:cut].count(b"\n")
    assert len(reading.frames) == whole
    assert reading.end + reading.pending == cut
    for written, read in zip(datas, reading.frames, strict=False):
        assert json.dumps(read.data, sort_keys=True) == json.dumps(_stored(written), sort_keys=True)


def _stored(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_stored(key): _stored(item) for key, item in value.items()}
        case list():
            return [_stored(item) for item in value]
    return value


@pytest.mark.hypothesis
@given(st.binary(max_size=300))
def test_any_bytes_are_damage_and_never_an_error(data: bytes) -> None:
    reading = scan(data)
    assert reading.frames == []
    assert reading.end + reading.pending == len(data)


def test_a_checksum_in_capitals_is_not_ours() -> None:
    line = frame(1, "log", 1.0, dump({"event": "abcdef"}))
    assert parse(line, 0) is not None
    if line[:8].upper() != line[:8]:
        assert parse(line[:8].upper() + line[8:], 0) is None


# -- Lines in parts ---------------------------------------------------------------------------------------------------

PLACES = st.sampled_from(
    [
        {"level": 20, "logger": "source.x", "module": "main", "function": "collect", "line": 17, "thread": "Main"},
        {"level": 30, "logger": ',"c":{', "module": ',"level":', "function": '"', "line": None, "thread": "\\"},
        {"level": 20, "logger": "", "module": "", "function": "", "line": 1, "thread": "", "chain": 'A > ,"c":{}'},
    ]
)
TEXTS = st.text(max_size=20) | st.sampled_from([',"level":', '"', "\\", ',"c":{', '","level":1', "}}", 'x,"c":{}'])


@pytest.mark.hypothesis
@given(TEXTS, PLACES, st.dictionaries(TEXTS, JSON | TEXTS, max_size=3), st.integers(1, 2**53), st.floats(0, 2e9))
def test_a_line_in_parts_says_what_the_whole_one_says(
    event: str, fields: dict[str, Any], context: dict[str, Any], seq: int, at: float
) -> None:
    place = b"," + dump(fields)[1:-1]
    text = line_text(event.encode("utf-8", "replace").decode(), place, dump(context))
    body = body_of(frame(seq, "log", at, text))
    assert body is not None
    parts, whole = split(body), decode(body, 0)
    assert whole is not None
    assert parts is not None
    assert (parts.seq, parts.at, parts.event) == (whole.seq, whole.at, whole.data["event"])
    assert json.loads(b'{"level":' + parts.place + b"}") == {key: whole.data[key] for key in fields}
    assert json.loads(parts.context) == whole.data.get("c", {})


@pytest.mark.parametrize(
    "data",
    [
        {"level": 20, "event": "in another order"},
        {"event": "context first", "c": {"a": 1}, "level": 20},
        {"event": {"no": "text"}, "level": 20},
        {"event": "deep", "a": {"b": 1, "level": 20}},
        {"event": "no level"},
        {"event": 5, "level": 20},
    ],
)
def test_what_is_in_no_such_order_is_read_whole(data: dict[str, Any]) -> None:
    body = body_of(frame(1, "log", 1.0, dump(data)))
    assert body is not None
    assert split(body) is None


def test_only_lines_are_split() -> None:
    body = body_of(frame(1, "seal", 1.0, dump({"event": "x", "level": 20})))
    assert body is not None
    assert split(body) is None


# -- What people say --------------------------------------------------------------------------------------------------


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("nothing to say")


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\x00b", "a\\x00b"),
        ("\ud800", "\\ud800"),
        (float("nan"), None),
        (2**70, str(2**70)),
        (b"\xff", "b'\\xff'"),
        ({1: {2}}, {"1": [2]}),
        (Mute(), "<Mute without text: RuntimeError>"),
    ],
)
def test_what_json_or_a_database_refuses_is_written_as_text(journal: Journal, value: Any, stored: Any) -> None:
    assert journal.write("log", {"value": value, "event": "said"})
    (line,) = lines_of(journal)
    assert line.data["event"] == "said"
    assert line.data["value"] == stored or (stored is None and line.data["value"] in (None, "nan"))


def test_a_circle_ends(journal: Journal) -> None:
    circle: dict[str, Any] = {"event": "round"}
    circle["again"] = circle
    assert journal.write("log", circle)
    assert lines_of(journal)[0].data["event"] == "round"


def test_ten_thousand_keys_are_cut_to_what_a_person_reads(journal: Journal) -> None:
    assert journal.write("log", {"event": "wide", **{f"key{n}": "x" * 20 for n in range(10_000)}})
    (line,) = lines_of(journal)
    assert line.data["event"] == "wide"
    assert line.data["left_out_keys"] == 10_001 - 200


def test_a_line_of_many_megabytes_is_cut_and_says_so(journal: Journal) -> None:
    journal.write("log", {"event": "y" * 50_000_000})
    journal.write("log", {"event": "next"})
    first, second = lines_of(journal)
    assert "characters cut)" in first.data["event"]
    assert len(first.data["event"]) < 70_000
    assert second.data["event"] == "next"
    journal.write("log", {"event": "many", **{f"k{n}": "z" * 60_000 for n in range(50)}})
    assert lines_of(journal)[2].data["truncated"] is True
    assert max(len(line) for line in journal.path.read_bytes().split(b"\n")) <= MAX_FRAME_BYTES


# -- The disk ---------------------------------------------------------------------------------------------------------


class Disk:
    """Stands before `os.write`: full after so many bytes, as a real disk is, writing what still fits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.space: int | None = None
        real = os.write

        def write(fd: int, data: bytes) -> int:
            if self.space is None:
                return real(fd, data)
            if self.space == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            part = data[: self.space]
            self.space -= len(part)
            return real(fd, part)

        monkeypatch.setattr(os, "write", write)


@pytest.mark.parametrize("space", [0, 1, 40, 100, 101, 150])
def test_a_full_disk_costs_counted_lines_and_heals_by_itself(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, space: int
) -> None:
    disk = Disk(monkeypatch)
    journal.write("log", {"event": "before"})
    disk.space = space
    outcomes = [journal.write("log", {"event": "during", "n": n}) for n in range(5)]
    disk.space = None
    assert journal.write("log", {"event": "after"})
    journal.close()
    reading = read_frames(journal.path)
    assert (reading.damage, reading.pending) == ([], 0)
    assert [f.seq for f in reading.frames] == list(range(1, len(reading.frames) + 1))
    during = [f for f in reading.frames if f.data.get("event") == "during"]
    gaps = [f for f in reading.frames if f.kind == "gap"]
    assert len(during) == sum(outcomes)
    assert [gap.data["dropped"] for gap in gaps] == [5 - sum(outcomes)]
    assert reading.frames[-2].data["event"] == "after"


def test_an_exception_from_a_signal_handler_inside_of_a_write_leaves_no_number_twice(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def interrupted(fd: int, data: bytes) -> int:
        real(fd, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.write("log", {"event": "struck"})
    monkeypatch.setattr(os, "write", real)
    journal.write("log", {"event": "after"})
    assert [(f.seq, f.data["event"]) for f in lines_of(journal)] == [(2, "struck"), (3, "after")]


# -- Secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_never_reach_the_disk(tmp_path: Path) -> None:
    secret = 'hunter2"\\ü'
    journal = Journal(tmp_path, about=dict, redactor=Redactor([secret]))
    journal.write("log", {"event": f"logged in with {secret}", "url": "https://me:pw12@example.org/x?y=1"})
    journal.write("log", {"event": "sent", "headers": {"Authorization": "Bearer abc123", "Accept": "text/html"}})
    journal.write("log", {"event": "kept", "api_key": "k-99", "password": None, "deep": [{"Cookie": "id=5"}]})
    journal.write("log", {"event": "dict", "body": {"note": f"x{secret}y"}})
    text = journal.path.read_text()
    for leaked in (secret, json.dumps(secret)[1:-1], "hunter2", "pw12", "abc123", "k-99", "id=5"):
        assert leaked not in text
    first, second, third, _ = lines_of(journal)
    assert first.data["url"] == "https://******@example.org/x?y=1"
    assert second.data["headers"] == {"Authorization": "******", "Accept": "text/html"}
    assert third.data["password"] is None


@dataclass
class Login:
    """What somebody may log by mistake."""

    user: str
    password: str


@pytest.mark.parametrize(
    "values",
    [
        {"login": Login("me", "hunter2")},
        {"deep": {"er": [Login("me", "hunter2")]}},
        {"c": {"login": Login("me", "hunter2"), "n": 1}},
        {"c": {"n": {"token": "hunter2"}}},
        {"c": {"n": [{"m": {"session_id": "hunter2"}}]}},
        {"c": {"text": "{", "token": "hunter2"}},
    ],
)
def test_a_secret_key_is_found_wherever_it_hides(tmp_path: Path, values: dict[str, Any]) -> None:
    journal = Journal(tmp_path, about=dict)
    for _ in range(2):  # what is known of a key from the first time must not matter
        journal.write("log", {"event": "odd", "n": 1, "c": {"n": 1, "m": 2, "text": "x", "login": "me"}})
        assert journal.write("log", {"event": "odd", **values})
    assert "hunter2" not in journal.path.read_text()
    assert "******" in journal.path.read_text()


def test_short_values_do_not_mask_half_of_everything(tmp_path: Path) -> None:
    journal = Journal(tmp_path, about=dict, redactor=Redactor(["a", ""]))
    journal.write("log", {"event": "a banana"})
    assert lines_of(journal)[0].data["event"] == "a banana"
