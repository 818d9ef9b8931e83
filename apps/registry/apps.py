from django.apps import AppConfig
from django.core import checks


class RegistryConfig(AppConfig):
    name = "apps.registry"
    label = "registry"

    def ready(self) -> None:
        from apps.registry.checks import check_rooms

        checks.register(check_rooms)
