"""What a list shows, as a file: who may take it, what is in it, and what it leaves behind."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import psutil
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from apps.accounts.models import AuditEntry
from apps.records.exports import streaming
from apps.records.exports.files import UTF8_BOM, Csv
from apps.records.exports.streaming import FORMS, pieces
from collectors.sources.examples.shop.books.models import Book
from tests.integration.factories import book
from tests.integration.log_lines import session_of
from tests.integration.people import make_person, messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

BOOKS = "/admin/examples_shop_books/book/"
EXPORT = f"{BOOKS}export/"
ROOT = Path(__file__).parents[4]
THEN, LATER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)


def shelve(number: int, **values: Any) -> Book:
    since = values.pop("since", THEN)
    row = Book.objects.create(**book(number, **values))
    Book.objects.filter(pk=row.pk).update(created_at=since)
    return row


def exported(query: str = "", form: str = "csv", client: Client | None = None) -> Any:
    return (client or signed_in("operator")).post(EXPORT + query, {"form": form})


def body(response: Any) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def titles(query: str = "") -> list[str]:
    return [row["title"] for row in csv.DictReader(io.StringIO(body(exported(query)).decode()))]


# -- What is in it -----------------------------------------------------------------------------------------------------


def test_a_csv_has_every_field_and_where_the_row_came_from() -> None:
    shelve(1, title='A "title", with\nall of it', price="9.90", runtime="a" * 32)
    (row,) = csv.DictReader(io.StringIO(body(exported()).decode(), newline=""))
    assert row == {
        "isbn": "0000000000001",
        "title": 'A "title", with\nall of it',
        "author": "A. Writer",
        "category": "Novels",
        "price": "9.90",
        "stock": "3",
        "created_at": "2026-03-01T00:00:00+00:00",
        "runtime": "a" * 32,
        "archived_at": "",
        "archived_by": "",
    }


def test_it_holds_what_the_list_shows_and_no_other_row() -> None:
    shelve(1, title="Old", archived_at=LATER)
    shelve(1, title="New", since=LATER, runtime="b" * 32)
    shelve(2, title="Always")
    assert titles() == ["Always", "New"]
    assert titles("?rows=all") == ["Always", "New", "Old"]
    assert titles("?as_of=2026-03-02") == ["Always", "Old"]
    assert titles("?q=new") == ["New"]
    assert titles(f"?rows=all&run={'b' * 32}") == ["New"]
    assert titles("?o=1") == ["Always", "New"]
    assert titles("?o=-1") == ["New", "Always"]
    assert titles("?p=2") == ["Always", "New"]


def test_more_rows_than_a_batch_and_than_a_page_come_in_the_order_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BATCH", 7)
    for number in range(60):
        shelve(number)
    assert titles() == [f"Book {number}" for number in range(59, -1, -1)]


def test_texts_that_a_spreadsheet_would_obey_are_disarmed_where_it_would() -> None:
    shelve(1, title="=HYPERLINK(1)", author="-5")
    (row,) = csv.DictReader(io.StringIO(body(exported()).decode()))
    assert (row["title"], row["author"]) == ("'=HYPERLINK(1)", "'-5")
    (line,) = body(exported(form="jsonl")).splitlines()
    assert (json.loads(line)["title"], json.loads(line)["price"]) == ("=HYPERLINK(1)", "9.90")
    header, cells = openpyxl.load_workbook(io.BytesIO(body(exported(form="xlsx"))))["Rows"].iter_rows()
    found = {name.value: cell for name, cell in zip(header, cells, strict=True)}
    assert (found["title"].value, found["title"].data_type) == ("=HYPERLINK(1)", "s")
    assert (found["price"].value, found["price"].data_type) == (9.9, "n")
    assert body(exported(form="csv-excel")).startswith(UTF8_BOM + b"isbn,")


def test_an_empty_list_is_a_file_with_a_header() -> None:
    assert titles() == []
    assert body(exported(form="jsonl")) == b""


@pytest.mark.parametrize("form", FORMS)
def test_the_answer_is_a_file_and_nothing_a_browser_shows(form: str) -> None:
    response = exported(form=form)
    body(response)
    assert response["Content-Disposition"].startswith('attachment; filename="examples_shop_books_book-20')
    assert response["Content-Disposition"].endswith(f'Z.{FORMS[form].suffix}"')
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]


# -- Who may -----------------------------------------------------------------------------------------------------------


def test_a_viewer_looks_and_takes_nothing_away() -> None:
    client = signed_in("viewer")
    assert exported(client=client).status_code == 403
    assert "Export all" not in client.get(BOOKS).text
    assert "Export all" in signed_in("operator").get(BOOKS).text
    assert not AuditEntry.objects.exists()


def test_an_address_alone_exports_nothing() -> None:
    assert signed_in("operator").get(EXPORT).status_code == 405
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_person("operator", name="olga"))
    assert exported(client=client).status_code == 403


def test_an_export_is_in_the_audit_with_what_was_asked() -> None:
    shelve(1)
    body(exported("?q=book&as_of=2026-03-02T10:00:00Z", form="jsonl"))
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.actor_name) == ("rows.exported", "examples_shop_books.Book", "operator")
    assert entry.details == {"form": "jsonl", "as_of": "2026-03-02T10:00:00+00:00", "asked": {"q": "book"}}


def test_what_cannot_be_exported_is_said_in_a_sentence() -> None:
    client = signed_in("operator")
    response = client.post(f"{EXPORT}?q=x", {"form": "exe"}, follow=True)
    assert messages_of(response) == ['There is no form "exe"; there are csv, csv-excel, jsonl, xlsx.']
    assert response.request["QUERY_STRING"] == "q=x"
    response = client.post(f"{EXPORT}?as_of=never", {"form": "csv"}, follow=True)
    assert "&quot;never&quot; is not a date" in response.text
    assert client.post(f"{EXPORT}?nonsense=1", {"form": "csv"})["Location"] == f"{BOOKS}?e=1"
    assert not AuditEntry.objects.exists()


# -- What it costs -----------------------------------------------------------------------------------------------------

MANY = 200_000
FILL = (
    "INSERT INTO examples_shop_books_book (sha, archived_by, created_at, modified_at, runtime, isbn, title, author,"
    " category, price, stock) SELECT 'x', '', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '', CAST(n AS varchar),"
    " 'A title of some length that stands for a real one', 'An author', 'Novels', 9.90, 3 FROM "
)
NUMBERS = {
    "postgresql": f"generate_series(1, {MANY}) AS n",
    "sqlite": f"(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {MANY}) SELECT n FROM c)",  # noqa: S608
}


def fill_the_shelves() -> None:
    connection = connections[Book.objects.all().db]
    with connection.cursor() as cursor:
        cursor.execute(FILL + NUMBERS[connection.vendor])


def test_two_hundred_thousand_rows_take_no_more_memory_than_a_few() -> None:
    fill_the_shelves()
    process = psutil.Process()
    for _ in zip(pieces(Book.objects.order_by("-pk"), Csv), range(5), strict=False):
        pass  # what the first batches need once is not what many rows cost
    before = process.memory_info().rss
    most = lines = 0
    for piece in pieces(Book.objects.order_by("-pk"), Csv):
        lines += piece.count(b"\n")
        most = max(most, process.memory_info().rss)
    assert lines == MANY + 1
    assert most - before < 30 * 2**20


# -- On a server that streams ------------------------------------------------------------------------------------------


class Download:
    """An export through Django's ASGI handler, as a client meets it."""

    def __init__(self, form: str = "csv") -> None:
        key = session_of(make_person("superuser"))
        token = "t" * 32
        content = f"form={form}&csrfmiddlewaretoken={token}".encode()
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": EXPORT,
            "query_string": b"",
            "headers": [
                (b"host", b"testserver"),
                (b"cookie", f"sessionid={key}; csrftoken={token}".encode()),
                (b"content-type", b"application/x-www-form-urlencoded"),
                (b"content-length", str(len(content)).encode()),
            ],
        }
        self.content = content
        self.sent: list[dict[str, Any]] = []
        self.is_gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self.content:
            content, self.content = self.content, b""
            return {"type": "http.request", "body": content}
        await self.is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def rows(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    def run(self) -> None:
        handler: Any = ASGIHandler()
        asyncio.run(handler(self.scope, self.receive, self.send))


def somebody_reads() -> bool:
    """Whether a transaction of another connection is open."""
    connection = connections[Book.objects.all().db]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            Book.objects.update(stock=1)
            cursor.execute("PRAGMA busy_timeout = 0")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            is_busy = bool(cursor.fetchone()[0])
            cursor.execute("PRAGMA busy_timeout = 20000")
            return is_busy
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0])


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(streaming, "BATCH", 5)
    Book.objects.bulk_create(Book(**book(number), sha="x") for number in range(200))
    yield
    assert not somebody_reads()


@pytest.mark.usefixtures("small_batches")
@pytest.mark.django_db(databases="__all__", transaction=True)
def test_rows_are_sent_while_they_are_read() -> None:
    download = Download()
    download.run()
    assert download.sent[0]["status"] == 200
    assert download.rows.count(b"\n") == 201
    assert len(download.sent) > 40


class Leaves(Download):
    """A client that goes away in the middle."""

    was_read = False

    async def send(self, message: dict[str, Any]) -> None:
        await super().send(message)
        if len(self.sent) == 5:
            self.was_read = await asyncio.to_thread(_seen_by_another_thread)
            self.is_gone.set()
            await asyncio.Event().wait()  # nobody takes the next piece; Django cancels this


def _seen_by_another_thread() -> bool:
    try:
        return somebody_reads()
    finally:
        connections.close_all()


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.django_db(databases="__all__", transaction=True)
def test_a_client_that_goes_away_leaves_no_transaction_and_no_file(form: str) -> None:
    before = set(Path(tempfile.gettempdir()).glob("export-*"))
    download = Leaves(form)
    download.run()
    assert download.was_read
    assert not somebody_reads()
    assert set(Path(tempfile.gettempdir()).glob("export-*")) <= before


class Stalls(Download):
    """A client that stays and takes nothing until the export has been given up."""

    was_read = False

    async def send(self, message: dict[str, Any]) -> None:
        await super().send(message)
        if len(self.sent) == 5:
            self.was_read = True
            while await asyncio.to_thread(_seen_by_another_thread):  # noqa: ASYNC110 - nobody else can tell
                await asyncio.sleep(0.02)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.django_db(databases="__all__", transaction=True)
def test_a_client_that_takes_nothing_is_given_up_and_gets_no_file_that_looks_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "PATIENCE_S", 0.2)
    download = Stalls()
    with pytest.raises(streaming.ClientTooSlow):
        download.run()
    assert download.was_read
    assert download.sent[-1].get("more_body") is True


# -- From the shell ----------------------------------------------------------------------------------------------------


def export(tmp_path: Path, *options: str, table: str = "examples.shop.books") -> list[str]:
    target = tmp_path / "rows.jsonl"
    call_command("rows", "export", table, "--format", "jsonl", "--output", str(target), *options)
    return [json.loads(line)["title"] for line in target.read_text().splitlines()]


def test_the_command_writes_the_same_rows(tmp_path: Path) -> None:
    shelve(1, title="Old", archived_at=LATER)
    shelve(1, title="New", since=LATER, runtime="b" * 32)
    shelve(2, title="Always", stock=7)
    assert export(tmp_path) == ["Always", "New"]
    assert export(tmp_path, "--rows", "all") == ["Always", "New", "Old"]
    assert export(tmp_path, "--as-of", "2026-03-02") == ["Always", "Old"]
    assert export(tmp_path, "--run", "b" * 32) == ["New"]
    assert export(tmp_path, "--filter", "stock=7", table="examples.shop.books.Book") == ["Always"]
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.action, entry.source) == ("rows.exported", "SHELL")
    assert entry.details["asked"] == {"rows": "current", "filter": ["stock=7"]}
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "There is no table nowhere: examples.debian.python_docs.Module, "),
        (["examples.shop.books", "--as-of", "never"], '"never" is not a date'),
        (["examples.shop.books", "--filter", "colour=red"], '"colour=red" is no filter: write FIELD=VALUE with one of'),
        (["examples.shop.books", "--filter", "stock=many"], "stock: “many” value must be an integer"),
        (["examples.shop.books", "--output", "/nowhere/rows.csv"], "/nowhere/rows.csv cannot be written"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("rows", "export", *arguments)
    assert words in str(refusal.value)


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "rows.csv"
    target.write_text("what was there before")
    monkeypatch.setattr(Csv, "end", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CommandError, match="No space left on device"):
        call_command("rows", "export", "examples.shop.books", "--output", str(target))
    assert target.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_a_reader_that_has_had_enough_is_no_error() -> None:
    Book.objects.bulk_create(Book(**book(number, title="x" * 150), sha="x") for number in range(3000))
    command = [sys.executable, "manage.py", "rows", "export", "examples.shop.books"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=os.environ, **pipes) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline().startswith(b"isbn,title")
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0
