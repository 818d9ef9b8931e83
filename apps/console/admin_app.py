"""The admin as a Django app: our site, and pages that no room can bring down."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps
from django.contrib.admin.apps import SimpleAdminConfig
from django.utils.module_loading import module_has_submodule

from collectors.discovery import RoomConfig


class ConsoleAdminConfig(SimpleAdminConfig):
    """Replaces `django.contrib.admin` in INSTALLED_APPS: Django's own discovery would let a room's admin.py raise."""

    default_site = "apps.console.site.ConsoleSite"

    def ready(self) -> None:
        super().ready()
        for config in apps.get_app_configs():
            if not isinstance(config, RoomConfig) and module_has_submodule(config.module, "admin"):
                import_module(f"{config.name}.admin")
        from apps.console.tables import register_tables

        register_tables()
