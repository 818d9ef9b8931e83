"""Collected rows as a file for programs: all of a table, as it is or as it stood."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Path
from pydantic import Field, RootModel

from apps.accounts.audit import record
from apps.api.access import asker, by
from apps.api.problems import Problem
from apps.api.schemas import Given, WhenGiven
from apps.api.section import Section
from apps.records.api import TableName, find_table
from apps.records.exports.streaming import FORMS, stream
from apps.records.selectors import app_code, as_it_stood

section = Section("records")

EXPORT = "registry.export_app"
MEDIA_TYPES = ", ".join(dict.fromkeys(form.content_type.partition(";")[0] for form in FORMS.values()))


class Taken(Given):
    """Which rows, and how they are written."""

    form: Literal["csv", "csv-excel", "jsonl", "xlsx"] = "csv"
    show: Literal["current", "archived", "all"] = "current"
    as_of: WhenGiven | None = Field(
        None, description="Rows that were true at this moment, whatever `show` says.", examples=[None]
    )
    run: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="Rows that this run wrote.", examples=[None])


class File(RootModel[str]):
    """The file, as it is made."""

    root: str = Field(examples=["isbn,title\r\n9780000000017,Book 17\r\n"])


@section.post(
    "/tables/{table}/export",
    name="exportRows",
    permission=EXPORT,
    answer=File,
    media_type=MEDIA_TYPES,
    is_repeatable=False,
    is_recorded=False,
)
def export_rows(request: HttpRequest, table: Path[TableName], wanted: Taken) -> Any:
    """All rows of a table as a file, which is sent while it is made and held by nobody as a whole."""
    model = find_table(request, table)
    if not asker(request).may(EXPORT, app_code(model)):
        raise Problem("not-allowed", f"This needs the permission {EXPORT} for {table}.")
    rows: Any = as_it_stood(model._default_manager.order_by("-pk"), wanted.show, wanted.as_of)
    if wanted.run:
        rows = rows.filter(runtime=wanted.run)
    told = wanted.model_dump(mode="json", exclude_none=True)
    who = by(request)
    record("rows.exported", model._meta.label, form=told.pop("form"), asked=told, **who)
    return stream(request, rows, FORMS[wanted.form], f"{table.replace('.', '_')}-{who['now']:%Y%m%dT%H%M%SZ}")
