"""Lines out of bytes: in any portions, of any length, with anything in them."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.runtime.supervision import output as module
from apps.runtime.supervision.output import LINE_BYTES, LineSplitter, Output, RawLine, as_text


def lines_of(*portions: bytes) -> list[RawLine]:
    splitter = LineSplitter()
    found = [line for portion in portions for line in splitter.feed(portion)]
    return [*found, *splitter.end()]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"", []),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"no end", [b"no end"]),
        (b"\n\n", [b"", b""]),
        (b"dos\r\nends\r\n", [b"dos", b"ends"]),
        (b"1 %\r2 %\r3 %\n", [b"3 %"]),
        (b"1 %\r2 %\r", [b"2 %"]),
        (b"bar\r\r\n", [b"bar"]),
        (b"nul \x00 \xff\n", [b"nul \x00 \xff"]),
    ],
)
def test_what_is_kept_of_what_was_written(written: bytes, kept: list[bytes]) -> None:
    assert [line.kept for line in lines_of(written)] == kept


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"\r", b"\r\n", b"a\rb"])))
def test_the_portions_do_not_matter(portions: list[bytes]) -> None:
    whole = b"".join(portions)
    assert lines_of(*portions) == lines_of(whole) == lines_of(*(whole[i : i + 1] for i in range(len(whole))))


@given(st.lists(st.binary(max_size=50).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b""))))
def test_lines_without_carriage_returns_come_out_as_they_went_in(lines: list[bytes]) -> None:
    assert [line.kept for line in lines_of(b"".join(line + b"\n" for line in lines))] == lines


def test_of_a_long_line_the_beginning_is_kept_and_its_length_is_known() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert list(splitter.feed(b"x" * 10_000)) == []
        assert len(splitter._buffer) <= LINE_BYTES
    [line, following] = splitter.feed(b"y\nz\n")
    assert (len(line.kept), line.size) == (LINE_BYTES, 1_000_001)
    assert following == RawLine(b"z", 1)


def test_a_progress_bar_without_line_ends_does_not_grow() -> None:
    splitter = LineSplitter()
    for number in range(1000):
        assert list(splitter.feed(b"\r%d %s" % (number, b"#" * 200))) == []
    assert splitter._size < 300


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"plain \t text", "plain \t text"),
        ("häßlich".encode(), "häßlich"),
        (b"latin \xe4", "latin \\xe4"),
        (b"a\x00b\x1b[31m\x7f", "a\\x00b\\x1b[31m\\x7f"),
        ("next\u2028line".encode(), "next\u2028line"),
    ],
)
def test_bytes_become_text_that_any_database_takes(written: bytes, shown: str) -> None:
    assert as_text(written) == shown


@given(st.binary(max_size=200))
def test_text_has_neither_nul_nor_surrogates(line: bytes) -> None:
    text = as_text(line)
    assert "\x00" not in text
    text.encode()


class Pipes:
    """An `Output` on two pipes."""

    def __init__(self) -> None:
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self.written: list[dict[str, Any]] = []
        self.output = Output(out, err, self.written.append)
        self.fds = {"stdout": out, "stderr": err}

    def close(self) -> None:
        for fd in (self.stdout, self.stderr):
            os.close(fd)
        self.output.finish()


def test_the_last_words_are_those_of_stderr_or_else_of_stdout() -> None:
    pipes = Pipes()
    os.write(pipes.stdout, b"fine\n \n")
    pipes.output.read(pipes.fds["stdout"], 0)
    assert pipes.output.tail == "fine"
    os.write(pipes.stderr, b"wrong")
    pipes.output.read(pipes.fds["stderr"], 0)
    pipes.close()
    assert pipes.output.tail == "wrong"
    assert pipes.output.open_fds(1.0) == []


def test_a_burst_is_taken_at_once_and_a_flood_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES_PER_S", 100)
    monkeypatch.setattr(module, "BURST_S", 1.0)
    pipes, now = Pipes(), 1000.0
    os.write(pipes.stdout, b"line\n" * 100)
    pipes.output.read(pipes.fds["stdout"], now)
    assert pipes.output.pause_s(now) is None
    os.write(pipes.stdout, b"line\n" * 100)
    pipes.output.read(pipes.fds["stdout"], now)
    assert pipes.output.open_fds(now) == []
    assert pipes.output.pause_s(now) == pytest.approx(1.0)
    assert pipes.output.open_fds(now + 1.001) != []
    assert len(pipes.written) == 200
    pipes.close()
