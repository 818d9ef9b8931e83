"""What a line carries that an author did not write: where it was said, and which errors are one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from collectors.toolkit.journal import Journal, read_frames
from collectors.toolkit.journal.service import service

log = structlog.get_logger("source.x")
library = logging.getLogger("library")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with service.writing_to(Journal(tmp_path, about=dict)) as journal:
        yield journal


def said(journal: Journal) -> list[dict[str, Any]]:
    return [frame.data for frame in read_frames(journal.path).frames if frame.kind == "log"]


def test_errors_and_exceptions_have_a_fingerprint_and_other_lines_have_none(journal: Journal) -> None:
    log.info("page.fetched")
    log.warning("page.slow")
    library.warning("slow")
    assert [line.get("fp") for line in said(journal)] == [None] * 3
    log.error("page.failed", number=1)
    library.error("page %d failed", 1)
    try:
        raise ValueError("inside")
    except ValueError:
        log.warning("page.odd", exc_info=True)
        library.warning("odd", exc_info=True)
    prints = [line["fp"] for line in said(journal)[3:]]
    assert all(len(print_) == 32 for print_ in prints)
    # Wherever an exception is reported, it is the same one.
    assert prints[2] == prints[3]
    assert len(set(prints)) == 3


def test_an_error_keeps_its_fingerprint_whatever_its_numbers(journal: Journal) -> None:
    for number in (1, 2):
        library.error("page %d failed", number)
        log.error(f"shelf {number} is empty")  # noqa: G004
    first, second, third, fourth = (line["fp"] for line in said(journal))
    assert (first, second) == (third, fourth)


def test_an_event_that_is_no_text_is_a_line_all_the_same(journal: Journal) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    log.error(Odd())
    assert len(said(journal)[0]["fp"]) == 32


def test_the_place_is_that_of_the_author(journal: Journal) -> None:
    log.info("one")
    log.log(20, "two")
    log.bind(a=1).error("three")
    try:
        raise ValueError
    except ValueError:
        log.exception("four")
    assert {(line["module"], line["function"]) for line in said(journal)} == {
        ("test_service", "test_the_place_is_that_of_the_author")
    }
