"""Which database a model lives in: collected rows on `data` where there is such a connection, the rest on `default`."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Model

from collectors.discovery import RoomConfig


def data_alias() -> str:
    """The connection of collected rows."""
    return "data" if "data" in settings.DATABASES else "default"


def _is_room(app_label: str) -> bool:
    config = apps.app_configs.get(app_label)
    return isinstance(config, RoomConfig)


class RecordsRouter:
    """Django's database router of the platform."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return data_alias() if _is_room(model._meta.app_label) else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == (data_alias() if _is_room(app_label) else "default")
