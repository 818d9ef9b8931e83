"""Connections and the map of touched objects for programs."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import by, visible
from apps.api.paging import but, page_of
from apps.api.rows import change_row, create_row, find_row, remove_row, row_version
from apps.api.schemas import Answer, Given, Listing, Many, Moment, one_of, reply
from apps.api.section import Section
from apps.databases import loading
from apps.databases.forms import ConnectionForm
from apps.databases.models import AppDbObject, Connection
from apps.databases.objects import uses
from apps.databases.probe import request_test
from apps.registry.models import App

section = Section("databases")

VIEW, ADD, CHANGE, DELETE = (f"databases.{verb}_connection" for verb in ("view", "add", "change", "delete"))
VIEW_OBJECT = "databases.view_appdbobject"
Alias = Annotated[str, Field(max_length=63, pattern=r"^[a-z][a-z0-9_]*$", examples=["warehouse"])]


class ConnectionOut(Answer):
    """A further database, without what lets one in there."""

    alias: str = Field(examples=["warehouse"])
    engine: str = Field(examples=["postgresql"])
    is_enabled: bool = Field(examples=[True])
    is_read_only: bool
    host: str = Field(examples=["db.example.com"])
    port: int | None = Field(examples=[5432])
    name: str = Field(examples=["warehouse"])
    user: str = Field(examples=["collector"])
    has_password: bool = Field(examples=[True])
    test_requested_at: Moment | None = Field(description="A test waits for a manager.", examples=[None])
    tested_at: Moment | None
    test_outcome: str = Field(description="WORKS, LIMITED, FAILED, or nothing.", examples=["WORKS"])
    test_said: str = Field(examples=["PostgreSQL 16.3 as collector."])


class Details(Given):
    """Where a database is, and as whom one signs in there."""

    engine: str = Field("postgresql", max_length=32, examples=["postgresql"])
    is_enabled: bool = True
    host: str = Field("", max_length=255, examples=["db.example.com"])
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(None, examples=[5432])
    name: str = Field("", max_length=500, description="The database.", examples=["warehouse"])
    auth: Annotated[str, one_of(Connection.Auth)] = Connection.Auth.PASSWORD
    user: str = Field("", max_length=255, examples=["collector"])
    password: str = Field(
        "", max_length=2_000, description="It never comes out; empty keeps what is there.", examples=["correct horse"]
    )
    tls: Annotated[str, one_of(Connection.Tls)] = Connection.Tls.PREFER
    ca_file: str = Field("", max_length=500)
    is_read_only: bool = False
    options: dict[str, Any] = Field({}, description="Further options of the driver.", examples=[{}])


class ConnectionNew(Details):
    """A further database."""

    alias: Alias


class ConnectionChange(Details):
    """What is to change; what is not named stays. When it goes elsewhere, the password has to be sent again."""


class ObjectOut(Answer):
    """A table, view or routine that an app touches."""

    connection: str = Field(examples=["default"])
    name: str = Field(examples=["public.books"])
    kind: str = Field(examples=["table"])
    app: str = Field(examples=["examples.shop.books"])
    uses: list[str] = Field(description="What the app does with it.", examples=[["reads", "inserts"]])
    last_run: str = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])


class ObjectFilter(Many):
    """Which objects."""

    app: str | None = Field(None, max_length=122)
    name: str | None = Field(None, max_length=300, description="The whole name.")
    connection: str | None = Field(None, max_length=63)


@section.get("/connections", name="listConnections", permission=VIEW, answer=Listing[ConnectionOut])
def list_connections(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Further databases, by alias."""
    return reply(page_of(visible(request, VIEW, Connection.objects.all()), ("alias",), wanted, connection_out))


@section.post(
    "/connections", name="createConnection", permission=ADD, answer=ConnectionOut, status=201, is_recorded=False
)
def create_connection(request: HttpRequest, new: ConnectionNew) -> HttpResponse:
    """A further database; its test says whether it answers."""
    row = create_row(request, ConnectionForm, new.model_dump())
    loading.forget(row.alias)
    return reply(connection_out(row), 201, Location=f"/api/v1/connections/{row.alias}", ETag=row_version(row))


@section.get("/connections/{alias}", name="getConnection", permission=VIEW, answer=ConnectionOut, has_version=True)
def get_connection(request: HttpRequest, alias: Path[Alias]) -> HttpResponse:
    """One of them; poll it for the result of a test."""
    row = _connection(request, VIEW, alias)
    return reply(connection_out(row), ETag=row_version(row))


@section.patch(
    "/connections/{alias}", name="changeConnection", permission=CHANGE, answer=ConnectionOut, is_recorded=False
)
def change_connection(request: HttpRequest, alias: Path[Alias], new: ConnectionChange) -> HttpResponse:
    """Change how one gets there. The alias stays: models go by it."""
    row = _connection(request, CHANGE, alias)
    row = change_row(request, row, ConnectionForm, new.model_dump(exclude_unset=True))
    loading.forget(row.alias)
    return reply(connection_out(row), ETag=row_version(row))


@section.delete(
    "/connections/{alias}", name="deleteConnection", permission=DELETE, answer=ConnectionOut, is_recorded=False
)
def delete_connection(request: HttpRequest, alias: Path[Alias]) -> HttpResponse:
    """Forget a database. What is in it stays."""
    row = _connection(request, DELETE, alias)
    told = connection_out(row)
    remove_row(request, row)
    loading.forget(alias)
    return reply(told)


@section.post(
    "/connections/{alias}/test",
    name="testConnection",
    permission=CHANGE,
    answer=ConnectionOut,
    status=202,
    is_recorded=False,
)
def test_connection(request: HttpRequest, alias: Path[Alias]) -> HttpResponse:
    """Have a manager try it out; `tested_at` says when that was done."""
    row = _connection(request, CHANGE, alias)
    request_test(row, **by(request))
    row.refresh_from_db()
    return reply(connection_out(row), 202, Location=f"/api/v1/connections/{alias}")


@section.get("/objects", name="listObjects", permission=VIEW_OBJECT, answer=Listing[ObjectOut])
def list_objects(request: HttpRequest, wanted: Query[ObjectFilter]) -> HttpResponse:
    """Which app touches which table, view and routine."""
    rows = visible(request, VIEW_OBJECT, AppDbObject.objects.select_related("app").defer(*but("app", App, "code")))
    if wanted.app:
        rows = rows.filter(app__in=App.objects.filter(code=wanted.app))
    if wanted.name:
        rows = rows.filter(name=wanted.name)
    if wanted.connection:
        rows = rows.filter(connection=wanted.connection)
    return reply(page_of(rows, ("connection", "name", "id"), wanted, object_out))


def _connection(request: HttpRequest, permission: str, alias: str) -> Connection:
    return find_row(request, permission, Connection.objects.all(), f"connection {alias}", alias=alias)


def connection_out(row: Connection) -> ConnectionOut:
    """A connection as it is shown."""
    return ConnectionOut.model_construct(**{name: getattr(row, name) for name in ConnectionOut.model_fields})


def object_out(row: AppDbObject) -> ObjectOut:
    """An object as it is shown."""
    names = ("connection", "name", "kind", "last_run")
    shown = {name: getattr(row, name) for name in names}
    return ObjectOut.model_construct(**shown, app=row.app.code, uses=list(uses(row)))
