from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "config"
    label = "config"
    verbose_name = "Wiring"

    def ready(self) -> None:
        from collectors.toolkit.journal.known import known
        from config import checks
        from config.settings.env import get_settings
        from config.settings.groups import GROUPS
        from config.settings.wording import secret_values

        checks.register_all()
        settings = get_settings()
        known.learn(*secret_values(getattr(settings, name) for name in GROUPS))
