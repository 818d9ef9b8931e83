"""What a run says besides its lines: errors that are one, its requests, the tables it touched, and no secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from apps.core.clock import utc_now
from apps.logs.group_models import ErrorGroup
from apps.logs.models import Log
from apps.runtime import runner
from apps.runtime.claims import open_run
from apps.runtime.interrupts import Interrupts
from apps.runtime.journals import journal_root, open_journal
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from apps.runtime.shipper import Shipper
from collectors.contract import Context
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import BadStatus
from collectors.toolkit.journal.service import service
from collectors.toolkit.testing.odd_site import odd_site
from tests.integration.factories import books, make_app, make_run, make_source, storing
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def execute(main: Callable[[Context], None], **values: Any) -> Runtime:
    run = open_run(make_app(is_enabled=True), owner=identify_self(), args={}, now=utc_now(), **values)
    with Interrupts(grace_s=5) as interrupts:
        runner.execute(run, make_source(main), args={}, interrupts=interrupts, watch=lambda pulse: None)
    run.refresh_from_db()
    return run


def test_an_exception_in_two_runs_is_one_error_that_happened_twice() -> None:
    def main(context: Context) -> None:
        try:
            raise ValueError(f"shelf {context.runtime_id!r} has no price")
        except ValueError:
            context.log.exception("book.failed", isbn=context.runtime_id)
        context.log.warning("stock.low")

    first, second = execute(main), execute(main)
    (found,) = ErrorGroup.objects.all()
    assert (found.count, found.level, found.last_runtime_id) == (2, 40, second.pk)
    assert found.title.startswith("ValueError: shelf")
    assert [(entry.app_id, entry.count) for entry in found.apps.all()] == [(first.app_id, 2)]
    assert Log.objects.filter(fingerprint=found.pk).count() == 2
    assert (first.exception_count, second.exception_count) == (1, 1)


def test_its_requests_are_told_by_status_and_by_host() -> None:
    def main(context: Context) -> None:
        for _ in range(3):
            context.request.get(f"{site}/page")
        with pytest.raises(BadStatus):
            context.request.get(f"{site}/status/404")

    with odd_site() as site:
        run = execute(main)
    assert (run.request_count, run.error_rate) == (4, 0.25)
    assert run.http_summary["statuses"] == {"2xx": 3, "4xx": 1}
    assert run.http_summary["hosts"]["127.0.0.1"]["count"] == 4
    assert run.request_p95_ms is not None
    assert run.request_p95_ms > 0
    page = signed_in("viewer").get(f"/admin/runtime/runtime/{run.pk}/change/").content.decode()
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    cells = [[cell for cell in re.sub(r"<[^>]*>", "|", row).split("|") if cell.strip()] for row in rows]
    assert ["200", "3"] in cells
    assert ["404", "1"] in cells
    assert ["127.0.0.1", "4", "1"] in [row[:3] for row in cells]


def merge_and_fail(context: Context) -> None:
    with context.records.transaction():
        context.records.merge(Book, books(range(9)))
        raise ZeroDivisionError


def test_the_tables_it_merged_into_are_told_when_that_is_committed() -> None:
    def main(context: Context) -> None:
        context.records.merge(Book, books(range(3)))
        with pytest.raises(ZeroDivisionError):
            merge_and_fail(context)
        context.records.merge(Book, books(range(3)))

    entry = {"model": Book._meta.label_lower, "table": Book._meta.db_table}
    merged = {**entry, "action": "merge", "merges": 2, "seen": 6, "inserted": 3, "archived": 0, "unchanged": 3}
    run = execute(main)
    assert run.touched_objects == [merged]
    page = signed_in("viewer").get(f"/admin/runtime/runtime/{run.pk}/change/").content.decode()
    assert f"Merged into {Book._meta.db_table}: 3 inserted, 0 archived, 3 unchanged, of 6 rows" in page
    compared = {**entry, "action": "compare", "merges": 1, "seen": 4, "inserted": 1, "archived": 0, "unchanged": 3}
    dry = execute(storing(books(range(4))), is_dry_run=True)
    assert dry.touched_objects == [compared]
    assert Book.objects.count() == 3


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("progress", {"solved": "many"}),
        ("progress", {"eta": 1e300}),
        ("http", {"count": 1}),
        ("http", {"count": -1, "failed": 0, "statuses": {}, "mean_ms": None, "p95_ms": None, "hosts": {}}),
        ("object", {"model": "", "table": "t", "action": "merge"}),
        ("object", {"model": "m", "table": "t", "action": "merge", "seen": 2**40}),
    ],
)
def test_a_frame_that_makes_no_sense_holds_up_no_other(kind: str, data: dict[str, Any]) -> None:
    run = make_run(make_app(), State.RUNNING)
    journal = open_journal(run)
    journal.write(kind, data)
    journal.write("log", {"event": "after it", "level": 20})
    journal.close()
    assert Shipper(journal_root()).ship(journal.path).is_done
    run.refresh_from_db()
    assert (run.solved, run.http_summary, run.touched_objects) == (0, {}, [])
    assert Log.objects.get(runtime=run).message == "after it"


def test_no_secret_of_the_settings_reaches_a_journal(settings: Any, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("canary-in-a-file\n")
    settings.DC_SPLUNK_TOKEN = "canary-of-splunk"
    settings.DC_SPLUNK_TOKEN_FILE = token_file
    settings.EMAIL_HOST_PASSWORD = "canary-of-mail"
    settings.SECRET_KEY = "canary-of-django"
    journal = open_journal(make_run(make_app(), State.RUNNING))
    with service.writing_to(journal):
        for name in ("splunk", "mail", "django"):
            structlog.get_logger("x").warning("page.sent", body=f"Splunk canary-of-{name}, canary-in-a-file")
    journal.close()
    text = journal.path.read_text()
    assert text.count("page.sent") == 3
    assert "canary" not in text
