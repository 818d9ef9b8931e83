"""People, and roles, for programs. Who is no superuser can neither become one here nor touch one."""

from __future__ import annotations

from typing import Annotated, Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.accounts.forms import PersonForm
from apps.accounts.models import User
from apps.accounts.roles import ROLES
from apps.accounts.services import UserMayNotSignIn, hand_out_login_link
from apps.accounts.signing_in import end_sessions
from apps.api.access import asker, by, visible
from apps.api.paging import page_of
from apps.api.problems import Fault, Problem
from apps.api.rows import change_row, create_row, find_row, remove_row
from apps.api.schemas import Answer, Flag, Given, Listing, Many, Moment, reply
from apps.api.section import Section
from apps.api.versions import etag_of

section = Section("people")

VIEW, ADD, CHANGE, DELETE = (f"accounts.{verb}_user" for verb in ("view", "add", "change", "delete"))
LINK, VIEW_ROLE = "accounts.add_loginlink", "auth.view_group"
UserName = Annotated[str, Field(max_length=150, pattern=r"^[A-Za-z0-9_.@+-]+$", examples=["ana"])]


class PersonOut(Answer):
    """Somebody who may sign in."""

    username: str = Field(examples=["ana"])
    first_name: str = Field(examples=["Ana"])
    last_name: str = Field(examples=["Anić"])
    email: str = Field(examples=["ana@example.com"])
    roles: list[str] = Field(examples=[["operator"]])
    is_active: bool = Field(examples=[True])
    is_staff: bool = Field(description="May open the admin.", examples=[True])
    is_superuser: bool
    last_login: Moment | None
    date_joined: Moment


class PersonFilter(Many):
    """Which people."""

    role: str | None = Field(None, max_length=150)
    is_active: Flag | None = None


class PersonChange(Given):
    """What is to change; what is not named stays."""

    first_name: str = Field("", max_length=150)
    last_name: str = Field("", max_length=150)
    email: str = Field("", max_length=254, examples=["ana@example.com"])
    roles: list[Annotated[str, Field(max_length=150)]] = Field([], max_length=50, examples=[["operator"]])
    is_active: bool = True
    is_staff: bool = True


class PersonNew(PersonChange):
    """Somebody new. Without a password a login link lets them in."""

    username: UserName
    password: str | None = Field(None, max_length=1_000, description="It never comes out.", examples=[None])


class RoleOut(Answer):
    """A role: those of the platform are fixed."""

    name: str = Field(examples=["operator"])
    is_built_in: bool = Field(examples=[True])
    permissions: list[str] = Field(examples=[["runtime.add_command"]])


class LinkOut(Answer):
    """A link that signs somebody in, once. It is told here and nowhere else."""

    path: str = Field(description="Below the address of the platform.", examples=["/login/3f2c9a7e5b1d4c60/"])


@section.get("/people", name="listPeople", permission=VIEW, answer=Listing[PersonOut])
def list_people(request: HttpRequest, wanted: Query[PersonFilter]) -> HttpResponse:
    """People, by user name."""
    rows = visible(request, VIEW, _people())
    if wanted.role:
        rows = rows.filter(pk__in=User.groups.through._default_manager.filter(group__name=wanted.role).values("user"))
    if wanted.is_active is not None:
        rows = rows.filter(is_active=wanted.is_active)
    return reply(page_of(rows, ("username",), wanted, person_out))


# A key would keep nothing of the password that could be read, but the name alone says whether it was done.
@section.post("/people", name="createPerson", permission=ADD, answer=PersonOut, status=201, is_recorded=False)
def create_person(request: HttpRequest, new: PersonNew) -> HttpResponse:
    """Somebody new."""
    _check_password(new)
    with transaction.atomic():
        row = create_row(request, PersonForm, _form_values(new))
        row.set_password(new.password)  # without one: none that works
        row.save(update_fields=["password"])
    return _shown(request, row.username, 201, Location=f"/api/v1/people/{row.username}")


@section.get("/people/{username}", name="getPerson", permission=VIEW, answer=PersonOut, has_version=True)
def get_person(request: HttpRequest, username: Path[UserName]) -> HttpResponse:
    """One of them."""
    return _shown(request, username)


@section.patch("/people/{username}", name="changePerson", permission=CHANGE, answer=PersonOut, is_recorded=False)
def change_person(request: HttpRequest, username: Path[UserName], new: PersonChange) -> HttpResponse:
    """Change somebody, or their roles. Who becomes inactive is signed out everywhere."""
    row = _touched(request, CHANGE, username)
    change_row(request, row, PersonForm, _form_values(new), version=person_version)
    return _shown(request, username)


@section.delete("/people/{username}", name="deletePerson", permission=DELETE, answer=PersonOut, is_recorded=False)
def delete_person(request: HttpRequest, username: Path[UserName]) -> HttpResponse:
    """Delete somebody. What they did stays in the audit, under their name."""
    row = _touched(request, DELETE, username)
    told = person_out(row)
    remove_row(request, row)
    return reply(told)


@section.post(
    "/people/{username}/end-sessions", name="endSessions", permission=CHANGE, answer=PersonOut, is_recorded=False
)
def end(request: HttpRequest, username: Path[UserName]) -> HttpResponse:
    """Sign somebody out everywhere: browsers, WebSockets, and the tokens that clients have for them."""
    end_sessions(user=_touched(request, CHANGE, username), **by(request))
    return _shown(request, username)


@section.post(
    "/people/{username}/login-link",
    name="makeLoginLink",
    permission=LINK,
    answer=LinkOut,
    is_repeatable=False,
    is_recorded=False,
)
def make_link(request: HttpRequest, username: Path[UserName]) -> HttpResponse:
    """A link that signs somebody in, once, within the hour. Earlier ones stop working."""
    row = _touched(request, LINK, username)
    try:
        return reply(LinkOut(path=hand_out_login_link(user=row, **by(request))))
    except UserMayNotSignIn as error:
        raise Problem("conflict", str(error)) from None


@section.get("/roles", name="listRoles", permission=VIEW_ROLE, answer=Listing[RoleOut])
def list_roles(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Roles, by name, with what each may do everywhere."""
    rows = visible(request, VIEW_ROLE, Group.objects.prefetch_related("permissions__content_type"))
    return reply(page_of(rows, ("name",), wanted, role_out))


def _people() -> QuerySet[User]:
    return User.objects.prefetch_related("groups")


def _touched(request: HttpRequest, permission: str, username: str) -> User:
    row = find_row(request, permission, _people(), f'user "{username}"', username=username)
    user = asker(request).user
    if row.is_superuser and not (user is not None and user.is_superuser):
        raise Problem("not-allowed", f"{username} is a superuser; only a superuser may do this.")
    return row


def _form_values(given: PersonChange) -> dict[str, Any]:
    values = given.model_dump(exclude_unset=True, exclude={"password", "roles"})
    if isinstance(given, PersonNew):
        values = {**given.model_dump(exclude={"password", "roles"})}
    if "roles" in given.model_fields_set:
        known = dict(Group.objects.filter(name__in=given.roles).values_list("name", "pk"))
        unknown = [name for name in given.roles if name not in known]
        if unknown:
            detail = f'There is no role "{unknown[0]}".'
            raise Problem("invalid", detail, errors=[Fault(detail=detail, pointer="/roles")])
        values["groups"] = list(known.values())
    return values


def _check_password(new: PersonNew) -> None:
    if new.password is None:
        return
    try:
        validate_password(new.password, User(username=new.username, email=new.email))
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from None


def _shown(request: HttpRequest, username: str, status: int = 200, **headers: str) -> HttpResponse:
    row = find_row(request, VIEW, _people(), f'user "{username}"', username=username)
    return reply(person_out(row), status, ETag=person_version(row), **headers)


def person_version(row: User) -> str:
    """What people decide about somebody; that they sign in makes no new version."""
    names = ("first_name", "last_name", "email", "is_active", "is_staff", "is_superuser")
    return etag_of(row.pk, [getattr(row, name) for name in names], sorted(group.name for group in row.groups.all()))


def person_out(row: User) -> PersonOut:
    """Somebody as they are shown."""
    shown = {name: getattr(row, name) for name in PersonOut.model_fields if name != "roles"}
    return PersonOut.model_construct(**shown, roles=sorted(group.name for group in row.groups.all()))


def role_out(row: Group) -> RoleOut:
    """A role as it is shown."""
    held = sorted(f"{each.content_type.app_label}.{each.codename}" for each in row.permissions.all())
    return RoleOut.model_construct(name=row.name, is_built_in=row.name in ROLES, permissions=held)
