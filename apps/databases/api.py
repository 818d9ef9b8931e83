"""Connections and the map of touched objects for programs."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.schemas import Answer, Listing, Many, Moment, reply
from apps.api.section import Section
from apps.databases.models import AppDbObject, Connection
from apps.databases.objects import uses
from apps.databases.probe import request_test
from apps.registry.models import App

section = Section("databases")

VIEW, CHANGE, VIEW_OBJECT = (
    *("databases.view_connection", "databases.change_connection"),
    "databases.view_appdbobject",
)
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


@section.get("/connections/{alias}", name="getConnection", permission=VIEW, answer=ConnectionOut)
def get_connection(request: HttpRequest, alias: Path[Alias]) -> HttpResponse:
    """One of them; poll it for the result of a test."""
    return reply(connection_out(_connection(request, VIEW, alias)))


@section.post("/connections/{alias}/test", name="testConnection", permission=CHANGE, answer=ConnectionOut, status=202)
def test_connection(request: HttpRequest, alias: Path[Alias]) -> HttpResponse:
    """Have a manager try it out; `tested_at` says when that was done."""
    row = _connection(request, CHANGE, alias)
    request_test(row)
    row.refresh_from_db()
    return reply(connection_out(row), 202, Location=f"/api/v1/connections/{alias}")


@section.get("/objects", name="listObjects", permission=VIEW_OBJECT, answer=Listing[ObjectOut])
def list_objects(request: HttpRequest, wanted: Query[ObjectFilter]) -> HttpResponse:
    """Which app touches which table, view and routine."""
    rows = visible(request, VIEW_OBJECT, AppDbObject.objects.select_related("app"))
    if wanted.app:
        rows = rows.filter(app__in=App.objects.filter(code=wanted.app))
    if wanted.name:
        rows = rows.filter(name=wanted.name)
    if wanted.connection:
        rows = rows.filter(connection=wanted.connection)
    return reply(page_of(rows, ("connection", "name", "id"), wanted, object_out))


def _connection(request: HttpRequest, permission: str, alias: str) -> Connection:
    row = visible(request, permission, Connection.objects.all()).filter(alias=alias).first()
    if row is None:
        raise Problem("not-found", f"There is no connection {alias}.")
    return row


def connection_out(row: Connection) -> ConnectionOut:
    """A connection as it is shown."""
    return ConnectionOut.model_construct(**{name: getattr(row, name) for name in ConnectionOut.model_fields})


def object_out(row: AppDbObject) -> ObjectOut:
    """An object as it is shown."""
    names = ("connection", "name", "kind", "last_run")
    shown = {name: getattr(row, name) for name in names}
    return ObjectOut.model_construct(**shown, app=row.app.code, uses=list(uses(row)))
