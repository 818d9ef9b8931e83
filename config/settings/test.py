"""What the tests run on: quick password hashes, the demo site, everything else as in the embedded profile."""

from config.settings.base import *  # noqa: F403
from config.settings.base import DC_DATA_DIR, DC_SECRETS_KEYS, OAUTH2_PROVIDER, SECRET_KEY
from config.settings.local_files import made_folder

made_folder(DC_DATA_DIR)
SECRET_KEY = SECRET_KEY or "only-for-tests-" + "x" * 50
DC_SECRETS_KEYS = DC_SECRETS_KEYS or "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtISE"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DC_DEMO_SITE = True
DC_HTTP_REDIRECTS = True
OAUTH2_PROVIDER = {**OAUTH2_PROVIDER, "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http"]}
SERVESTATIC_USE_FINDERS = True
# Tests ask more in a minute than any program; those of the limits set their own.
DC_API_READS_PER_MINUTE = DC_API_WRITES_PER_MINUTE = DC_API_REFUSALS_PER_MINUTE = 0
