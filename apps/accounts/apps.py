from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Roles follow their table after each upgrade: when the last of the apps has got its permissions."""
        from apps.accounts.roles import seed_after_migrate

        last = [config for config in apps.get_app_configs() if config.models_module is not None][-1]
        post_migrate.connect(seed_after_migrate, sender=last, dispatch_uid="accounts.roles")
