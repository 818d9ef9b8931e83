"""What a shim writes is what the shipper takes: the lines of a run, and the word that nothing follows."""

from __future__ import annotations

import pytest

from apps.logs.models import JournalFile, Log
from apps.runtime.models import Runtime
from apps.runtime.shipper import Shipper
from apps.runtime.supervision import RunSpec
from tests.integration.apps.runtime.supervision.stand import Stand
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")


def test_the_lines_of_a_run_reach_the_database_and_its_journal_is_done(stand: Stand) -> None:
    run: Runtime = make_run(make_app("trial.odd.slow"))
    args = {"do": "say", "out": ["one\n", "two \x00\n"], "err": ["\xff" * 70_000], "code": 3}
    stand.supervisor.start(RunSpec(run_id=run.pk, app_id=run.app_id, app_code=run.app.code, epoch=1, args=args))
    stand.ended(run.pk)
    assert Shipper(stand.journals).drain(run.pk)
    journal = JournalFile.objects.get(runtime=run)
    assert (journal.role, journal.sealed_at is not None, journal.damaged_bytes, journal.dropped) == ("shim", True, 0, 0)
    lines = Log.objects.filter(runtime=run)
    assert {(line.logger, line.level, line.message[:20]) for line in lines} == {
        ("stdout", Log.Level.INFO, "one"),
        ("stdout", Log.Level.INFO, "two \\x00"),
        ("stderr", Log.Level.WARNING, "\\xff" * 5),
    }
    assert lines.get(logger="stderr").context_json == {"truncated": True, "bytes": 70_000}
