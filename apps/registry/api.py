"""Groups and parents of apps for programs."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import Count, QuerySet
from django.forms import modelform_factory
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import asker, visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.rows import change_row, create_row, find_row, remove_row, row_version
from apps.api.schemas import Answer, Given, Listing, Many, reply
from apps.api.section import Section
from apps.registry.models import AppGroup, AppParent

section = Section("apps")

VIEW, ADD, CHANGE, DELETE = (f"registry.{verb}_appgroup" for verb in ("view", "add", "change", "delete"))
VIEW_PARENT, ADD_PARENT, CHANGE_PARENT, DELETE_PARENT = (
    f"registry.{verb}_appparent" for verb in ("view", "add", "change", "delete")
)
GroupName = Annotated[str, Field(max_length=40, pattern=r"^[a-z][a-z0-9_]*$", examples=["examples"])]
ParentName = Annotated[str, Field(max_length=81, pattern=r"^[a-z0-9_.]+$", examples=["examples.shop"])]
#: What people may change later: apps carry the names in their codes, and rooms in their folders.
GroupForm = modelform_factory(AppGroup, fields=("name", "title", "description"))
ParentForm = modelform_factory(AppParent, fields=("group", "name", "title", "description"))


class GroupEntry(Answer):
    """The first part of app codes."""

    name: str = Field(examples=["examples"])
    title: str = Field(examples=["Examples"])
    description: str
    parents: int = Field(description="How many parents it has.", examples=[2])


class ParentEntry(Answer):
    """The first two parts of app codes."""

    name: str = Field(description="group.parent", examples=["examples.shop"])
    group: str = Field(examples=["examples"])
    title: str = Field(examples=["The shop"])
    description: str
    apps: int = Field(description="How many apps it has.", examples=[3])


class ParentFilter(Many):
    """Which parents."""

    group: str | None = Field(None, max_length=40)


class Texts(Given):
    """What is to change; what is not named stays."""

    title: str = Field("", max_length=100)
    description: str = Field("", max_length=20_000)


class GroupNew(Texts):
    """A group."""

    name: GroupName


class ParentNew(Texts):
    """A parent of a group that is there."""

    group: GroupName
    name: GroupName = Field(examples=["shop"])


@section.get("/groups", name="listGroups", permission=VIEW, answer=Listing[GroupEntry])
def list_groups(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Groups of apps, by name."""
    return reply(page_of(visible(request, VIEW, _groups()), ("name",), wanted, group_out))


@section.post("/groups", name="createGroup", permission=ADD, answer=GroupEntry, status=201, is_recorded=False)
def create_group(request: HttpRequest, new: GroupNew) -> HttpResponse:
    """A new group; apps that are found on disk make theirs by themselves."""
    row = create_row(request, GroupForm, new.model_dump())
    return _shown_group(request, row.name, 201, Location=f"/api/v1/groups/{row.name}")


@section.get("/groups/{name}", name="getGroup", permission=VIEW, answer=GroupEntry, has_version=True)
def get_group(request: HttpRequest, name: Path[GroupName]) -> HttpResponse:
    """One of them."""
    return _shown_group(request, name)


@section.patch("/groups/{name}", name="changeGroup", permission=CHANGE, answer=GroupEntry, is_recorded=False)
def change_group(request: HttpRequest, name: Path[GroupName], new: Texts) -> HttpResponse:
    """Change its title and description; the name stays."""
    row = _group(request, CHANGE, name)
    change_row(request, row, GroupForm, new.model_dump(exclude_unset=True))
    return _shown_group(request, name)


@section.delete("/groups/{name}", name="deleteGroup", permission=DELETE, answer=GroupEntry, is_recorded=False)
def delete_group(request: HttpRequest, name: Path[GroupName]) -> HttpResponse:
    """Delete a group without parents."""
    row = _group(request, DELETE, name)
    told = group_out(row)
    remove_row(request, row)
    return reply(told)


@section.get("/parents", name="listParents", permission=VIEW_PARENT, answer=Listing[ParentEntry])
def list_parents(request: HttpRequest, wanted: Query[ParentFilter]) -> HttpResponse:
    """Parents of apps, in the order they were made."""
    rows = visible(request, VIEW_PARENT, _parents())
    if wanted.group:
        rows = rows.filter(group__name=wanted.group)
    return reply(page_of(rows, ("id",), wanted, parent_out))


@section.post("/parents", name="createParent", permission=ADD_PARENT, answer=ParentEntry, status=201, is_recorded=False)
def create_parent(request: HttpRequest, new: ParentNew) -> HttpResponse:
    """A new parent in a group."""
    group = _group(request, VIEW, new.group)
    if not asker(request).may(ADD_PARENT, f"{new.group}.{new.name}"):
        raise Problem("not-allowed", f"This needs the permission {ADD_PARENT} for {new.group}.")
    row = create_row(request, ParentForm, {**new.model_dump(), "group": group.pk})
    return _shown_parent(request, str(row), 201, Location=f"/api/v1/parents/{row}")


@section.get("/parents/{name}", name="getParent", permission=VIEW_PARENT, answer=ParentEntry, has_version=True)
def get_parent(request: HttpRequest, name: Path[ParentName]) -> HttpResponse:
    """One of them."""
    return _shown_parent(request, name)


@section.patch("/parents/{name}", name="changeParent", permission=CHANGE_PARENT, answer=ParentEntry, is_recorded=False)
def change_parent(request: HttpRequest, name: Path[ParentName], new: Texts) -> HttpResponse:
    """Change its title and description; group and name stay."""
    row = _parent(request, CHANGE_PARENT, name)
    change_row(request, row, ParentForm, new.model_dump(exclude_unset=True))
    return _shown_parent(request, name)


@section.delete("/parents/{name}", name="deleteParent", permission=DELETE_PARENT, answer=ParentEntry, is_recorded=False)
def delete_parent(request: HttpRequest, name: Path[ParentName]) -> HttpResponse:
    """Delete a parent without apps."""
    row = _parent(request, DELETE_PARENT, name)
    told = parent_out(row)
    remove_row(request, row)
    return reply(told)


def _groups() -> QuerySet[AppGroup]:
    return AppGroup.objects.annotate(parent_count=Count("parents"))


def _parents() -> QuerySet[AppParent]:
    return AppParent.objects.select_related("group").annotate(app_count=Count("apps"))


def _group(request: HttpRequest, permission: str, name: str) -> AppGroup:
    return find_row(request, permission, _groups(), f"group {name}", name=name)


def _parent(request: HttpRequest, permission: str, name: str) -> AppParent:
    group, _, parent = name.partition(".")
    return find_row(request, permission, _parents(), f"parent {name}", group__name=group, name=parent)


def _shown_group(request: HttpRequest, name: str, status: int = 200, **headers: str) -> HttpResponse:
    row = _group(request, VIEW, name)
    return reply(group_out(row), status, ETag=row_version(row), **headers)


def _shown_parent(request: HttpRequest, name: str, status: int = 200, **headers: str) -> HttpResponse:
    row = _parent(request, VIEW_PARENT, name)
    return reply(parent_out(row), status, ETag=row_version(row), **headers)


def group_out(row: Any) -> GroupEntry:
    """A group as it is shown."""
    return GroupEntry.model_construct(
        name=row.name, title=row.title, description=row.description, parents=row.parent_count
    )


def parent_out(row: Any) -> ParentEntry:
    """A parent as it is shown."""
    return ParentEntry.model_construct(
        name=str(row), group=row.group.name, title=row.title, description=row.description, apps=row.app_count
    )
