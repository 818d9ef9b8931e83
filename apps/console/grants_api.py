"""Grants and lockouts for programs."""

from __future__ import annotations

from typing import Any, Literal, cast

from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.accounts import lockout
from apps.accounts.forms import GrantForm
from apps.accounts.models import Client, Lockout, RoleGrant, User
from apps.api.access import by, visible
from apps.api.paging import but, page_of
from apps.api.problems import Fault, Problem
from apps.api.rows import create_row, find_row, remove_row
from apps.api.schemas import Answer, Given, Listing, Many, Moment, RowNumber, reply
from apps.api.section import Section
from apps.registry.models import App, AppGroup, AppParent

section = Section("people")

VIEW_GRANT, ADD_GRANT, DELETE_GRANT = (f"accounts.{verb}_rolegrant" for verb in ("view", "add", "delete"))
VIEW_LOCKOUT, UNLOCK = "accounts.view_lockout", "accounts.delete_lockout"
#: Of what a grant joins a name is shown, and its rows are wide.
UNSHOWN = [
    *but("user", User, "username"),
    *but("people", Group, "name"),
    *but("client", Client, "client_id"),
    *but("app_group", AppGroup, "name"),
    *but("app_parent", AppParent, "name", "group"),
    *but("app_parent__group", AppGroup, "name"),
    *but("app", App, "code"),
]
Role = Literal["viewer", "operator", "developer", "admin"]


class GrantOut(Answer):
    """A role that holds for a part of the registry."""

    id: int = Field(examples=[17])
    user: str | None = Field(examples=["ana"])
    people: str | None = Field(description="A role or group.", examples=[None])
    client: str | None = Field(description="The client_id of an API client.", examples=[None])
    role: Role
    where: str = Field(description="A group, a parent, or an app, by its code.", examples=["examples.shop"])
    created_at: Moment


class GrantNew(Given):
    """A role for one of user, people and client; it holds for everything below `where`."""

    user: str | None = Field(None, max_length=150, examples=["ana"])
    people: str | None = Field(None, max_length=150, examples=[None])
    client: str | None = Field(None, max_length=100, examples=[None])
    role: Role
    where: str = Field(max_length=122, pattern=r"^[a-z0-9_.]+$", examples=["examples.shop"])


class LockoutOut(Answer):
    """Wrong passwords, and until when the next one has to wait."""

    id: int = Field(examples=[17])
    name: str = Field(examples=["ana"])
    address: str = Field(examples=["192.0.2.7"])
    failures: int = Field(examples=[6])
    last_at: Moment
    locked_until: Moment | None


# -- Grants ------------------------------------------------------------------------------------------------------------


@section.get("/grants", name="listGrants", permission=VIEW_GRANT, answer=Listing[GrantOut])
def list_grants(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Grants, the newest first."""
    return reply(page_of(visible(request, VIEW_GRANT, _grants()), ("-id",), wanted, grant_out))


@section.post("/grants", name="createGrant", permission=ADD_GRANT, answer=GrantOut, status=201, is_recorded=False)
def create_grant(request: HttpRequest, new: GrantNew) -> HttpResponse:
    """Give a role for a part of the registry. It holds with the next request of who has it."""
    values = {"role": new.role, **_where(new.where)}
    for name, rows, field in (
        ("user", User.objects, "username"),
        ("people", Group.objects, "name"),
        ("client", Client.objects, "client_id"),
    ):
        if (wanted := getattr(new, name)) is not None:
            values[name] = _known(rows.filter(**{field: wanted}), name, f'There is no {name} "{wanted}".')
    row = create_row(request, GrantForm, values)
    return reply(grant_out(_grants().get(pk=row.pk)), 201, Location="/api/v1/grants")


@section.delete("/grants/{grant_id}", name="deleteGrant", permission=DELETE_GRANT, answer=GrantOut, is_recorded=False)
def delete_grant(request: HttpRequest, grant_id: Path[RowNumber]) -> HttpResponse:
    """Take a grant away; what it opened closes within five seconds."""
    row = find_row(request, DELETE_GRANT, _grants(), f"grant {grant_id}", pk=grant_id)
    told = grant_out(row)
    remove_row(request, row)
    return reply(told)


# -- Lockouts ----------------------------------------------------------------------------------------------------------


@section.get("/lockouts", name="listLockouts", permission=VIEW_LOCKOUT, answer=Listing[LockoutOut])
def list_lockouts(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Who has to wait before the next password, or is on the way to it; the latest first."""
    rows = visible(request, VIEW_LOCKOUT, Lockout.objects.all())
    return reply(page_of(rows, ("-last_at", "-id"), wanted, LockoutOut.model_validate))


@section.post(
    "/lockouts/{lockout_id}/unlock", name="unlockLockout", permission=UNLOCK, answer=LockoutOut, is_recorded=False
)
def unlock(request: HttpRequest, lockout_id: Path[RowNumber]) -> HttpResponse:
    """Forget these wrong passwords."""
    row = find_row(request, UNLOCK, Lockout.objects.all(), f"lockout {lockout_id}", pk=lockout_id)
    told = LockoutOut.model_validate(row)
    lockout.unlock(Lockout.objects.filter(pk=row.pk), **by(request))
    return reply(told)


def _grants() -> QuerySet[RoleGrant]:
    rows = RoleGrant.objects.select_related("user", "people", "client", "app_group", "app_parent__group", "app")
    return rows.defer(*UNSHOWN)


def _where(code: str) -> dict[str, Any]:
    """The part of the registry, as fields of a grant. Raises `Problem`."""
    names = code.split(".")
    found: tuple[str, QuerySet[Any]] = ("app", App.objects.filter(code=code))
    if len(names) == 1:
        found = "app_group", AppGroup.objects.filter(name=code)
    elif len(names) == 2:
        found = "app_parent", AppParent.objects.filter(group__name=names[0], name=names[1])
    return {found[0]: _known(found[1], "where", f"There is no group, parent or app {code}.")}


def _known(rows: Any, field: str, detail: str) -> Any:
    row: Model | None = rows.first()
    if row is None:
        raise Problem("invalid", detail, errors=[Fault(detail=detail, pointer=f"/{field}")])
    return row.pk


def grant_out(row: RoleGrant) -> GrantOut:
    """A grant as it is shown."""
    where = row.app_group.name if row.app_group else str(row.app_parent or (row.app.code if row.app else ""))
    return GrantOut.model_construct(
        id=row.pk,
        user=row.user.get_username() if row.user else None,
        people=row.people.name if row.people else None,
        client=row.client.client_id if row.client else None,
        role=cast("Role", row.role),
        where=where,
        created_at=row.created_at,
    )
