from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PolitenessConfig(AppConfig):
    name = "apps.politeness"
    label = "politeness"
    verbose_name = _("Politeness")
