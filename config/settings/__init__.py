"""DJANGO_SETTINGS_MODULE: the settings of the profile named by `DC_PROFILE`."""

from config.settings.env import get_settings

match get_settings().general.profile:
    case "embedded":
        from config.settings.embedded import *  # noqa: F403
    case "production":
        from config.settings.production import *  # noqa: F403
    case "test":
        from config.settings.test import *  # noqa: F403
