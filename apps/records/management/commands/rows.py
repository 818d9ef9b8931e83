"""`manage.py rows export`: rows of a table as a file, as its page in the admin exports them."""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.db.models import Field, Q, QuerySet

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.records.exports.streaming import FORMS, pieces
from apps.records.models import DataTable
from apps.records.moments import BadMoment, read_moment
from apps.records.selectors import WHICH, Which, as_it_stood
from collectors.discovery import installed_rooms

#: So many tables are named in an error.
NAMED = 20


class Command(BaseCommand):
    help = "Write rows of a table to a file or to standard output."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        export = parser.add_subparsers(required=True, dest="verb").add_parser("export", help="write rows to a file")
        export.add_argument(
            "table", help="an app code, as in examples.shop.books, or with a model: examples.shop.books.Book"
        )
        export.add_argument("--format", choices=FORMS, default="csv", help="what to write (csv)")
        export.add_argument("--rows", choices=WHICH, default="current", help="which rows (current)")
        export.add_argument(
            "--as-of", default="", metavar="MOMENT", help="the rows of then: 2026-10-31, 2026-10-31T14:30"
        )
        export.add_argument("--run", default="", metavar="ID", help="only rows that this run wrote or archived")
        export.add_argument(
            "--filter", action="append", default=[], metavar="FIELD=VALUE", help="only rows with this value; repeatable"
        )
        export.add_argument(
            "--output", default="-", metavar="FILE", help="where to; standard output unless it is given"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        model = _model(options["table"])
        now = utc_now()
        try:
            moment = read_moment(options["as_of"], now=now) if options["as_of"] else None
        except BadMoment as error:
            raise CommandError(str(error)) from None
        which: Which = options["rows"]
        form, output = options["format"], options["output"]
        if output == "-" and form == "xlsx" and sys.stdout.isatty():
            raise CommandError("A workbook is not for a terminal: name a file with --output, or send it into one.")
        try:
            rows: QuerySet[Any] = as_it_stood(model._default_manager.order_by("-pk"), which, moment)
            rows = _filtered(rows, options["filter"])
            if options["run"]:
                rows = rows.filter(Q(runtime=options["run"]) | Q(archived_by=options["run"]))
            asked = {"rows": which, "filter": options["filter"], "run": options["run"]}
            as_of = moment.isoformat() if moment else ""
            told = {"form": form, "as_of": as_of, "asked": {name: value for name, value in asked.items() if value}}
            record("rows.exported", model._meta.label, source=AuditEntry.SHELL, now=now, **told)
            _write(rows, form, output)
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise CommandError(f"The rows cannot be read: {reason}") from None
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror or error}") from None


def _model(name: str) -> type[DataTable]:
    """The table that is meant. Raises `CommandError`, which names those there are."""
    tables = {
        f"{room.room.info.code}.{model.__name__}": model
        for room in installed_rooms()
        for model in room.get_models()
        if issubclass(model, DataTable)
    }
    found = [model for full, model in tables.items() if name.lower() in (full.lower(), full.rpartition(".")[0].lower())]
    if len(found) == 1:
        return found[0]
    shown = [full for full, model in tables.items() if model in found] or list(tables)
    what = f"{name} has several tables" if found else f"There is no table {name}"
    raise CommandError(f"{what}: {_listed(shown)}.")


def _listed(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:NAMED]) or "there are none"
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown


def _filtered(rows: QuerySet[Any], filters: list[str]) -> QuerySet[Any]:
    fields = {field.name: field for field in rows.model._meta.concrete_fields if isinstance(field, Field)}
    for text in filters:
        name, sign, value = text.partition("=")
        if not sign or name not in fields:
            raise CommandError(f'"{text}" is no filter: write FIELD=VALUE with one of {", ".join(fields)}.')
        try:
            rows = rows.filter(**{name: fields[name].to_python(value)})
        except (ValidationError, ValueError) as error:
            why = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            raise CommandError(f"{name}: {why}") from None
    return rows


def _write(rows: QuerySet[Any], form: str, output: str) -> None:
    if output == "-":
        _write_to_stdout(rows, form)
        return
    # The file appears when it is whole; what was there before stays until then.
    target = Path(output)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        try:
            _send(rows, form, file.file)
            os.fchmod(file.fileno(), 0o640)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _write_to_stdout(rows: QuerySet[Any], form: str) -> None:
    try:
        _send(rows, form, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Whoever read it has had enough, as `head` does. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _send(rows: QuerySet[Any], form: str, file: BinaryIO | Any) -> None:
    with closing(pieces(rows, FORMS[form])) as made:
        for piece in made:
            file.write(piece)
