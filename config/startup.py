"""What has to happen before Django reads its settings."""

from __future__ import annotations

import importlib
import os
import sys

from collectors.identity import BadAppCode, parse_code
from config.errors import SettingsError as StartupError

#: What runs for long, or makes tables: in production none of it begins without keys for secrets.
PROCESSES = frozenset({"up", "web", "manager", "worker", "beat", "migrate"})

__all__ = ["StartupError", "prepare"]


def prepare(argv: list[str]) -> None:
    """Load the settings here, so that a wrong one is a line and not a stack trace. Raises `StartupError`.

    A collector started by hand needs its own room only: with thousands of rooms, importing the models of all of them
    costs seconds of CPU (docs/decisions/0003-rooms-are-django-apps.md). The verbs of the encrypted file of settings are
    done here and end the process: what settings need may be in that file.
    """
    if argv[1:2] == ["secrets"]:
        from config.secret_audit import note
        from config.secret_verbs import is_before_settings, obey

        if is_before_settings(argv[2:]):
            sys.exit(obey(argv[2:], note))
    if len(argv) > 2 and argv[1] == "runcollector":
        for word in argv[2:]:
            try:
                os.environ.setdefault("DC_ONLY_ROOM", parse_code(word).code)
            except BadAppCode:
                continue
            break
    importlib.import_module("config.settings")
    if argv[1:2] and argv[1] in PROCESSES:
        _demand_keys()


def _demand_keys() -> None:
    from config.settings.env import get_settings

    settings = get_settings()
    if settings.general.profile == "production" and settings.secrets.keys is None:
        raise StartupError(
            "DC_SECRETS_KEYS: not set; the production profile has no default (`manage.py secrets key` makes a key)."
        )
