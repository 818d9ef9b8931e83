"""Collected rows for programs: read-only, as they are, as they were, and what changed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from django.apps import apps
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.accounts.policy import granted_codes
from apps.api.access import asker
from apps.api.paging import page_of
from apps.api.problems import Fault, Problem
from apps.api.schemas import Answer, Listing, Many, Moment, RowNumber, When, reply
from apps.api.section import Section
from apps.records.history import versions
from apps.records.models import DataTable
from apps.records.rows import business_fields
from collectors.discovery import installed_rooms

section = Section("records")

VIEW = "registry.view_app"
_RUN = "3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"
_ROW = {"isbn": "9780000000017", "title": "Book 17", "price": "9.90"}
TableName = Annotated[str, Field(max_length=200, pattern=r"^[a-z0-9_.]+$", examples=["examples.shop.books.book"])]
LARGEST = 2**63 - 1


class TableOut(Answer):
    """A table of a source."""

    name: str = Field(
        description="The code of the app and the name of the model.", examples=["examples.shop.books.book"]
    )
    app: str = Field(examples=["examples.shop.books"])
    fields: list[str] = Field(examples=[["isbn", "title", "price"]])
    natural_key: list[str] = Field(description="What tells its rows apart.", examples=[["isbn"]])


class Tables(Answer):
    """All tables that who asks may see."""

    items: list[TableOut]


class RowOut(Answer):
    """One row: what was true from `created_at` until `archived_at`."""

    id: int = Field(examples=[17])
    values: Any = Field(examples=[_ROW])
    created_at: Moment
    archived_at: Moment | None = Field(description="null: it is true now.", examples=[None])
    run: str = Field(description="The run that wrote it.", examples=[_RUN])
    archived_by: str = Field(description="The run that archived it.", examples=[""])


class RowFilter(Many):
    """Which rows, the newest first."""

    show: Literal["current", "archived", "all"] = Field("current", description="Rows that are true now, or were.")
    as_of: When | None = Field(None, description="Rows that were true at this moment, whatever `show` says.")
    run: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="Rows that this run wrote.")
    key: list[Annotated[str, Field(max_length=500, pattern=r"^[a-z0-9_]+=.*$")]] = Field(
        [], max_length=10, description="A field of the natural key and its value: isbn=9780000000017."
    )


class VersionOut(RowOut):
    """One version of a row."""

    changes: Any = Field(
        description="Field -> before and after, against the version before.", examples=[{"price": ["9.90", "8.90"]}]
    )


class Versions(Answer):
    """Every version of one thing, oldest first."""

    items: list[VersionOut]


@section.get("/tables", name="listTables", permission=VIEW, answer=Tables)
def list_tables(request: HttpRequest) -> HttpResponse:
    """The tables of all sources on this machine."""
    items = [
        TableOut(
            name=name,
            app=code,
            fields=[field.name for field in business_fields(model)],
            natural_key=list(model.natural_key),
        )
        for name, code, model in _tables(request)
    ]
    return reply(Tables(items=items))


@section.get("/tables/{table}/rows", name="listRows", permission=VIEW, answer=Listing[RowOut])
def list_rows(request: HttpRequest, table: Path[TableName], wanted: Query[RowFilter]) -> HttpResponse:
    """Rows of a table: those that are true now, were, or were at a moment."""
    model = find_table(request, table)
    rows: Any = model._default_manager.all()
    if wanted.as_of is not None:
        rows = rows.as_of(wanted.as_of)
    elif wanted.show != "all":
        rows = rows.filter(archived_at__isnull=wanted.show == "current")
    if wanted.run:
        rows = rows.filter(runtime=wanted.run)
    return reply(page_of(rows.filter(**_key(model, wanted.key)), ("-id",), wanted, row_out))


@section.get("/tables/{table}/rows/{row_id}/versions", name="rowVersions", permission=VIEW, answer=Versions)
def row_versions(request: HttpRequest, table: Path[TableName], row_id: Path[RowNumber]) -> HttpResponse:
    """Every version of what a row is about, and what each changed."""
    model = find_table(request, table)
    row = model._default_manager.filter(pk=row_id).first()
    if row is None:
        raise Problem("not-found", f"There is no row {row_id} in {table}.")
    found = versions(model, **{name: getattr(row, name) for name in model.natural_key})
    items = [
        VersionOut(
            **row_out(each.row).model_dump(),
            changes={name: [_plain(before), _plain(after)] for name, (before, after) in each.changes.items()},
        )
        for each in found
    ]
    return reply(Versions(items=items))


def _tables(request: HttpRequest) -> Iterator[tuple[str, str, type[DataTable]]]:
    """Name, app and model of the tables that who asks may see."""
    granted = granted_codes(asker(request), VIEW)
    for room in sorted(installed_rooms(), key=lambda each: each.room.info.code):
        code = room.room.info.code
        if granted is None or any(code == each or (each.endswith(".") and code.startswith(each)) for each in granted):
            for model in apps.get_app_config(room.label).get_models():
                if issubclass(model, DataTable):
                    yield f"{code}.{model._meta.model_name}", code, model


def find_table(request: HttpRequest, table: str) -> type[DataTable]:
    """A table that who asks may see. Raises `Problem`."""
    model = next((model for name, _code, model in _tables(request) if name == table), None)
    if model is None:
        raise Problem("not-found", f"There is no table {table}; GET /api/v1/tables lists those there are.")
    return model


def _key(model: type[DataTable], pairs: list[str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in model.natural_key:
            raise _bad_key(f"{name} is no field of the natural key; it is {', '.join(model.natural_key)}.")
        try:
            field: Any = model._meta.get_field(name)
            value = field.to_python(text)
        except (ValidationError, ValueError, OverflowError):
            raise _bad_key(f"{name} cannot be {text[:60]!r}.") from None
        if isinstance(value, int) and abs(value) > LARGEST:
            raise _bad_key(f"{name} cannot be as large as that.")
        wanted[name] = value
    return wanted


def _bad_key(detail: str) -> Problem:
    return Problem("invalid", f"key: {detail}", errors=[Fault(detail=detail, parameter="key")])


def row_out(row: DataTable) -> RowOut:
    """A row as it is shown."""
    return RowOut.model_construct(
        id=row.pk,
        values={field.name: _plain(getattr(row, field.attname)) for field in business_fields(type(row))},
        created_at=row.created_at,
        archived_at=row.archived_at,
        run=row.runtime,
        archived_by=row.archived_by,
    )


def _plain(value: Any) -> Any:
    """Bytes have no place in JSON but as text."""
    return base64.b64encode(bytes(value)).decode() if isinstance(value, bytes | memoryview) else value
