"""Every table of collected rows has a page, without anybody registering it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

import structlog
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.module_loading import module_has_submodule

from apps.records.admin import TableAdmin
from apps.records.models import DataTable
from collectors.discovery import RoomConfig, installed_rooms
from collectors.mishaps import IMPORT_ERRORS, told

log = structlog.get_logger("console")

#: App code -> why the room's own admin.py could not be used; its tables have the plain page then.
page_errors: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the sidebar and the list of tables show it."""

    name: str
    app_code: str
    url: str


def models() -> Iterator[tuple[RoomConfig, type[DataTable]]]:
    """Every model of collected rows, with its room."""
    for room in installed_rooms():
        for model in room.get_models():
            if issubclass(model, DataTable):
                yield room, model


def register_tables() -> None:
    """Load the pages that rooms bring along, and give every other table the plain one."""
    for room in installed_rooms():
        _load_own_pages(room)
    for _room, model in models():
        if not admin.site.is_registered(model):
            admin.site.register(model, TableAdmin)


def _load_own_pages(room: RoomConfig) -> None:
    if room.import_error or room.module is None or not module_has_submodule(room.module, "admin"):
        return
    before = dict(admin.site._registry)
    try:
        import_module(f"{room.name}.admin")
    except IMPORT_ERRORS as error:
        admin.site._registry = before
        page_errors[room.room.info.code] = told(error, room.room.folder)
        log.warning("room.admin_failed", app=room.room.info.code, reason=page_errors[room.room.info.code])


def visible_tables(request: HttpRequest, *, only_app: str | None = None) -> list[Table]:
    """The tables this person may look at, by app code; those of one app where it is named."""
    return [
        Table(
            name=str(model._meta.verbose_name_plural).capitalize(),
            app_code=room.room.info.code,
            url=reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
        )
        for room, model in models()
        if only_app in (None, room.room.info.code) and admin.site._registry[model].has_view_permission(request)
    ]
