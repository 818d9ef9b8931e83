"""Real processes, by the real wiring, keep their distance from a real server."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from apps.politeness.models import Site

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

Finish = Callable[..., tuple[int, str]]


def test_processes_that_fetch_from_one_site_keep_their_distance(finish: Finish) -> None:
    # A busy machine may be late by most of the pause; processes that knew nothing of each other would come at once.
    some = ("--workers", "3", "--requests", "3", "--delay", "0.6", "--retry-after", "2", "--tolerance", "0.45")

    code, said = finish("polite_test", *some)

    assert code == 0, said
    found = re.search(r"(\d+) requests of 3 processes.*violations = 0.*came after (\d\.\d+) s", said, re.DOTALL)
    assert found, said
    assert int(found[1]) >= 11, "nine pages, one of them twice, and robots.txt"
    assert float(found[2]) >= 1.85
    assert not Site.objects.exists()


def test_a_pause_that_nobody_could_keep_is_a_violation(finish: Finish) -> None:
    # What was measured is held against more than the pause that was asked for: the command can fail.
    some = ("--workers", "2", "--requests", "2", "--delay", "0.05", "--retry-after", "0", "--tolerance", "-2")

    code, said = finish("polite_test", *some)

    assert code == 1, said
    assert "did not keep their distance" in said
