"""Credentials for programs: which there are, and a way in for new values. No value ever comes out."""

from __future__ import annotations

from typing import Annotated

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import asker, visible
from apps.api.paging import page_of
from apps.api.problems import Problem, from_fields
from apps.api.schemas import Answer, AppCode, Given, Listing, Many, Moment, reply
from apps.api.section import Section
from apps.credentials.forms import CredentialForm
from apps.credentials.models import Credential
from apps.registry.models import App

section = Section("credentials")

VIEW, ADD, CHANGE, DELETE = (f"credentials.{verb}_credential" for verb in ("view", "add", "change", "delete"))
Name = Annotated[str, Field(max_length=40, pattern=r"^[a-z0-9_]+$", examples=["api_key"])]


class CredentialOut(Answer):
    """That there is a secret."""

    app: str = Field(examples=["examples.shop.books"])
    name: str = Field(examples=["api_key"])
    description: str
    changed_at: Moment | None
    problem: str = Field(description="Why the value cannot be used; empty: it can.", examples=[""])


class CredentialFilter(Many):
    """Which credentials."""

    app: str | None = Field(None, max_length=122)


class NewValue(Given):
    """A secret on its way in."""

    value: str = Field(min_length=1, max_length=20_000, examples=["correct horse battery staple"])
    description: str = Field("", max_length=200)


@section.get("/credentials", name="listCredentials", permission=VIEW, answer=Listing[CredentialOut])
def list_credentials(request: HttpRequest, wanted: Query[CredentialFilter]) -> HttpResponse:
    """Which credentials there are, never what they are."""
    rows = visible(request, VIEW, Credential.objects.select_related("app"))
    if wanted.app:
        rows = rows.filter(app__in=App.objects.filter(code=wanted.app))
    return reply(page_of(rows, ("id",), wanted, credential_out))


# A key would keep a fingerprint of the secret for a day, and what is put twice is there once anyway.
@section.put(
    "/apps/{code}/credentials/{name}",
    name="setCredential",
    permission=CHANGE,
    answer=CredentialOut,
    is_repeatable=False,
)
def set_credential(request: HttpRequest, code: Path[AppCode], name: Path[Name], new: NewValue) -> HttpResponse:
    """Store a secret of an app, in place of the one of that name if there is one."""
    app = visible(request, CHANGE, App.objects.all()).filter(code=code).first()
    if app is None:
        raise Problem("not-found", f"There is no app {code}.")
    row = Credential.objects.filter(app=app, name=name).first()
    if row is None and not asker(request).may(ADD, app):
        raise Problem("not-allowed", f"{code} has no {name} yet; to add it needs the permission {ADD}.")
    data = {"app": app.pk, "name": name, "description": new.description, "new_value": new.value}
    form = CredentialForm(data, instance=row)
    if not form.is_valid():
        faults = {"value" if field == "new_value" else field: list(told) for field, told in form.errors.items()}
        raise from_fields(ValidationError(faults))
    saved = form.save()
    return reply(credential_out(Credential.objects.select_related("app").get(pk=saved.pk)))


@section.delete("/apps/{code}/credentials/{name}", name="deleteCredential", permission=DELETE, answer=CredentialOut)
def delete_credential(request: HttpRequest, code: Path[AppCode], name: Path[Name]) -> HttpResponse:
    """Forget a secret. Runs that are under way keep it."""
    rows = visible(request, DELETE, Credential.objects.select_related("app"))
    row = rows.filter(app__code=code, name=name).first()
    if row is None:
        raise Problem("not-found", f"{code} has no credential {name}.")
    told = credential_out(row)
    row.delete()
    return reply(told)


def credential_out(row: Credential) -> CredentialOut:
    """A credential as it is shown."""
    return CredentialOut.model_construct(
        app=row.app.code,
        name=row.name,
        description=row.description,
        changed_at=row.changed_at,
        problem=row.problem(),
    )
