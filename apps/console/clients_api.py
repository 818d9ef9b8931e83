"""API clients for programs. A secret is told when it is made, and never again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.accounts.changes import save_form
from apps.accounts.clients import end_if_other, replace_secret, revoke_tokens
from apps.accounts.forms import ClientForm
from apps.accounts.models import Client
from apps.api.access import by, visible
from apps.api.paging import page_of
from apps.api.rows import change_row, find_row, remove_row, row_version
from apps.api.schemas import Answer, Given, Listing, Many, Moment, reply
from apps.api.section import Section

section = Section("people")

VIEW, ADD, CHANGE, DELETE = (f"accounts.{verb}_client" for verb in ("view", "add", "change", "delete"))
Scope = Literal["read", "run", "write", "admin"]
ClientId = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9_.-]+$", examples=["4hX9bQ2mT7"])]


class ClientOut(Answer):
    """A program that uses the API."""

    client_id: str = Field(examples=["4hX9bQ2mT7"])
    name: str = Field(examples=["Nightly export"])
    acts: Literal["client-credentials", "authorization-code"]
    kind: Literal["confidential", "public"]
    redirect_uris: list[str] = Field(examples=[[]])
    scopes: list[Scope] = Field(examples=[["read"]])
    role: str = Field(description="What it may for itself everywhere; empty: what its grants say.", examples=["viewer"])
    is_active: bool = Field(examples=[True])
    created: Moment


class ClientWithSecret(ClientOut):
    """The secret is told here and nowhere else."""

    secret: str = Field(description="Empty for a public client.", examples=["shown-once"])


class ClientChange(Given):
    """What is to change; what is not named stays."""

    name: str = Field("", min_length=1, max_length=255, examples=["Nightly export"])
    acts: Literal["client-credentials", "authorization-code"] = "client-credentials"
    kind: Literal["confidential", "public"] = "confidential"
    redirect_uris: list[Annotated[str, Field(max_length=2_000)]] = Field([], max_length=50, examples=[[]])
    scopes: list[Scope] = Field(["read"], min_length=1, max_length=4, examples=[["read"]])
    role: Literal["", "viewer", "operator", "developer", "admin"] = ""
    is_active: bool = True


class ClientNew(ClientChange):
    """A program."""

    name: str = Field(min_length=1, max_length=255, examples=["Nightly export"])


@section.get("/clients", name="listClients", permission=VIEW, answer=Listing[ClientOut])
def list_clients(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Programs that use the API, by name."""
    return reply(page_of(visible(request, VIEW, Client.objects.all()), ("name",), wanted, client_out))


# No key: the answer would be kept, and the secret with it.
@section.post(
    "/clients",
    name="createClient",
    permission=ADD,
    answer=ClientWithSecret,
    status=201,
    is_repeatable=False,
    is_recorded=False,
)
def create_client(request: HttpRequest, new: ClientNew) -> HttpResponse:
    """A new program, and its secret, which is not shown again."""
    form = ClientForm(_form_values(new, new.model_dump()))
    row = save_form(form, **by(request))
    secret = form.secret if row.client_type == Client.CLIENT_CONFIDENTIAL else ""
    return reply(_with_secret(row, secret), 201, Location=f"/api/v1/clients/{row.client_id}", ETag=row_version(row))


@section.get("/clients/{client_id}", name="getClient", permission=VIEW, answer=ClientOut, has_version=True)
def get_client(request: HttpRequest, client_id: Path[ClientId]) -> HttpResponse:
    """One of them."""
    row = _client(request, VIEW, client_id)
    return reply(client_out(row), ETag=row_version(row))


@section.patch("/clients/{client_id}", name="changeClient", permission=CHANGE, answer=ClientOut, is_recorded=False)
def change_client(request: HttpRequest, client_id: Path[ClientId], new: ClientChange) -> HttpResponse:
    """Change what a program may. One that gets in another way, or not at all, loses its tokens."""
    row = _client(request, CHANGE, client_id)
    values = _form_values(new, new.model_dump(exclude_unset=True))
    with transaction.atomic():
        changed = change_row(request, row, ClientForm, values)
        other = [name for name in values if getattr(changed, name) != getattr(row, name)]
        end_if_other(client=changed, changed=other, now=by(request)["now"])
    row = _client(request, CHANGE, client_id)
    return reply(client_out(row), ETag=row_version(row))


@section.delete("/clients/{client_id}", name="deleteClient", permission=DELETE, answer=ClientOut, is_recorded=False)
def delete_client(request: HttpRequest, client_id: Path[ClientId]) -> HttpResponse:
    """Delete a program; its tokens stop working."""
    row = _client(request, DELETE, client_id)
    told = client_out(row)
    remove_row(request, row)
    return reply(told)


@section.post(
    "/clients/{client_id}/new-secret",
    name="newClientSecret",
    permission=CHANGE,
    answer=ClientWithSecret,
    is_repeatable=False,
    is_recorded=False,
)
def new_client_secret(request: HttpRequest, client_id: Path[ClientId]) -> HttpResponse:
    """Another secret, which is not shown again; the old one and its tokens stop working at once."""
    row = _client(request, CHANGE, client_id)
    return reply(_with_secret(row, replace_secret(client=row, **by(request))))


@section.post(
    "/clients/{client_id}/end-tokens", name="endClientTokens", permission=CHANGE, answer=ClientOut, is_recorded=False
)
def end_client_tokens(request: HttpRequest, client_id: Path[ClientId]) -> HttpResponse:
    """No token of the program works any more."""
    row = _client(request, CHANGE, client_id)
    revoke_tokens(client=row, **by(request))
    return reply(client_out(row))


def _client(request: HttpRequest, permission: str, client_id: str) -> Client:
    row: Client = find_row(request, permission, Client.objects.all(), f"API client {client_id}", client_id=client_id)
    return row


def _form_values(given: ClientChange, values: dict[str, Any]) -> dict[str, Any]:
    names = {"acts": "authorization_grant_type", "kind": "client_type"}
    told = {names.get(name, name): value for name, value in values.items()}
    if "redirect_uris" in told:
        told["redirect_uris"] = "\n".join(given.redirect_uris)
    return told


def _client_values(row: Client) -> dict[str, Any]:
    names = ("client_id", "name", "scopes", "role", "is_active", "created")
    return {
        **{name: getattr(row, name) for name in names},
        "acts": row.authorization_grant_type,
        "kind": row.client_type,
        "redirect_uris": row.redirect_uris.split(),
    }


def client_out(row: Client) -> ClientOut:
    """A client as it is shown."""
    return ClientOut.model_construct(**_client_values(row))


def _with_secret(row: Client, secret: str) -> ClientWithSecret:
    return ClientWithSecret.model_construct(**_client_values(row), secret=secret)
