from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"

    def ready(self) -> None:
        from apps.core.json_fields import show_json_plainly
        from apps.core.names import translate_models

        translate_models()
        show_json_plainly()
