"""One machine, nothing to install: SQLite, a private Valkey, the demo site, plain HTTP on the loopback address."""

from config.settings.base import *  # noqa: F403
from config.settings.base import DC_DATA_DIR, DC_SECRETS_KEYS, OAUTH2_PROVIDER, SECRET_KEY
from config.settings.local_files import KEPT_KEYS, kept_keys, kept_secret, made_folder

made_folder(DC_DATA_DIR)
SECRET_KEY = SECRET_KEY or kept_secret(DC_DATA_DIR / "secret-key")
if not DC_SECRETS_KEYS:
    DC_SECRETS_KEYS_FILE = kept_keys(DC_DATA_DIR / KEPT_KEYS)
DC_DEMO_SITE = True
DC_HTTP_REDIRECTS = True
OAUTH2_PROVIDER = {**OAUTH2_PROVIDER, "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http"]}
SERVESTATIC_USE_FINDERS = True
