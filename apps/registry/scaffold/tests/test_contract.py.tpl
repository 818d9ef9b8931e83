"""What the platform expects of every source, on pages that were recorded: `DC_TEST_RECORD=1` records them anew."""

from __future__ import annotations

from pathlib import Path

from collectors.sources.$code.main import $collector
from collectors.sources.$code.models import Item
from collectors.toolkit.testing import assert_contract

RECORDED = Path(__file__).parent / "recorded"


def test_it_keeps_the_contract() -> None:
    context = assert_contract($collector, RECORDED, app="$code", args=$collector.Args(), limit=2)

    assert len(context.records.rows(Item)) == 2
