"""Which database a model lives in.

Collected rows live on the connection that their model names, else on `data` where there is such a database; the
platform's tables live on `default`.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Model

from apps.databases.loading import use
from apps.databases.models import RESERVED_ALIASES
from collectors.discovery import RoomConfig


def data_alias() -> str:
    """The database of collected rows whose model names no connection."""
    return "data" if "data" in settings.DATABASES else "default"


def alias_of(model: type[Model]) -> str:
    """The database that a model of a room lives in. Whether there is such a connection is not asked."""
    named = getattr(model, "connection_alias", "")
    return named if isinstance(named, str) and named else data_alias()


def _is_room(app_label: str) -> bool:
    config = apps.app_configs.get(app_label)
    return isinstance(config, RoomConfig)


class RecordsRouter:
    """Django's database router of the platform."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Raises `UnusableConnection` for a connection that is missing or disabled."""
        return use(alias_of(model)) if _is_room(model._meta.app_label) else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        if not _is_room(app_label):
            return db == "default"
        models = apps.all_models[app_label]
        if model_name in models:
            return db == alias_of(models[model_name])
        # A model that is no more, or SQL for all of the room: wherever the room has or had its tables.
        return db == data_alias() or db not in RESERVED_ALIASES
