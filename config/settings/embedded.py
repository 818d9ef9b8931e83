"""One machine, nothing to install: SQLite, a private Valkey, the demo site, plain HTTP on the loopback address."""

from config.settings.base import *  # noqa: F403
from config.settings.base import DC_DATA_DIR, SECRET_KEY
from config.settings.local_files import kept_secret, made_folder

made_folder(DC_DATA_DIR)
SECRET_KEY = SECRET_KEY or kept_secret(DC_DATA_DIR / "secret-key")
DC_DEMO_SITE = True
SERVESTATIC_USE_FINDERS = True
