"""What all profiles share. Values that differ between installations come from `env.py`."""

from __future__ import annotations

from typing import Any

from collectors.discovery import find_rooms, room_configs
from config.settings.brokers import broker
from config.settings.caches import cache
from config.settings.databases import databases
from config.settings.env import BASE_DIR, get_settings
from config.settings.layers import layers
from config.settings.look import UNFOLD as LOOK
from config.settings.oauth import OAUTH2, REFRESH_FAMILY_SECONDS

env = get_settings()

# -- Identity ---------------------------------------------------------------------------------------------------------
SECRET_KEY = env.general.secret_key.get_secret_value() if env.general.secret_key else ""
DEBUG = False
ALLOWED_HOSTS = env.general.allowed_hosts
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = None
DC_PROFILE = env.general.profile
DC_DATA_DIR = env.general.data_dir
DC_PUBLIC_URL = (env.general.public_url or "").rstrip("/")
DC_RUN_SLOTS = env.run.slots
DC_RUN_QUEUES = env.run.queues
DC_RUN_ALLOWED_NETWORKS = env.run.allowed_networks
DC_PROXIES_JUDGES = env.proxies.judges
DC_POLITE_DELAY_S = env.polite.delay_min_s, env.polite.delay_max_s
DC_POLITE_AT_ONCE = env.polite.at_once
DC_JOURNAL_FSYNC = env.journal.fsync
DC_SECRETS_KEYS = env.secrets.keys.get_secret_value() if env.secrets.keys else ""
DC_SECRETS_KEYS_FILE = env.files.get("DC_SECRETS_KEYS")
DC_WEB_HOST = env.web.host
DC_WEB_PORT = env.web.port
DC_BEHIND_PROXY = env.web.behind_proxy
DC_API_READS_PER_MINUTE = env.api.reads_per_minute
DC_API_WRITES_PER_MINUTE = env.api.writes_per_minute
DC_API_REFUSALS_PER_MINUTE = env.api.refusals_per_minute
DC_METRICS_TOKEN = env.metrics.token.get_secret_value() if env.metrics.token else ""
DC_METRICS_ALLOW = env.metrics.allow
DC_PROXY_COUNT = env.web.proxy_count
DC_SESSION_IDLE_MIN = env.web.session_idle_min
DC_DEMO_SITE = False
DC_HTTP_REDIRECTS = False
DC_REFRESH_FAMILY_SECONDS = REFRESH_FAMILY_SECONDS

# -- Django apps ------------------------------------------------------------------------------------------------------
DC_SOURCES_PATH = env.general.sources_path
DC_ROOMS = find_rooms(DC_SOURCES_PATH, only=env.general.only_room)
INSTALLED_APPS: list[Any] = [
    "config",
    "apps.console",
    "apps.runtime",
    "apps.records",
    "apps.credentials",
    "apps.notifications",
    "apps.politeness",
    "apps.quality",
    "apps.captcha",
    "apps.proxies",
    "apps.logs",
    "apps.databases",
    "apps.registry",
    "apps.api",
    "apps.accounts",
    "apps.core",
    *room_configs(DC_ROOMS),
    "django_celery_beat",
    "oauth2_provider",
    "corsheaders",
    "unfold.apps.BasicAppConfig",
    "apps.console.admin_app.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic",
    "django.contrib.staticfiles",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
OAUTH2_PROVIDER_APPLICATION_MODEL = "accounts.Client"
# Said although it is the default: a table of ours points to it.
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth2_provider.AccessToken"  # noqa: S105 - the name of a model
OAUTH2_PROVIDER = OAUTH2

# -- HTTP -------------------------------------------------------------------------------------------------------------
MIDDLEWARE = [
    # What every answer says, then who answers.
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.core.headers.HeadersMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "apps.runtime.health_views.HealthMiddleware",
    "apps.api.middleware.ProblemMiddleware",
    "apps.core.body_cap.body_cap_middleware",
    "apps.accounts.middleware.audit_middleware",
    "apps.core.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.accounts.middleware.SessionAgeMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.languages.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# -- Security ---------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["apps.accounts.backends.PasswordBackend"]
DC_SECOND_FACTOR_ROLES = env.second_factor.roles
DC_OIDC = env.oidc
SESSION_COOKIE_AGE = env.web.session_hours * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Probes know no HTTPS; programs are refused rather than led on, since what they sent is already in the clear.
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^api/", r"^oauth/(token|revoke)/"]
CORS_ALLOWED_ORIGINS = env.api.allowed_origins
CORS_ALLOW_CREDENTIALS = False
CORS_URLS_REGEX = r"^/(api|oauth/token|oauth/revoke)/"
CORS_EXPOSE_HEADERS = ["ETag", "Location", "Retry-After"]
SERVESTATIC_ALLOW_ALL_ORIGINS = False
DC_MAX_BODY_BYTES = env.web.max_body_mb * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000
DATA_UPLOAD_MAX_NUMBER_FILES = 20
NINJA_PAGINATION_MAX_LIMIT = 500
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# -- Databases --------------------------------------------------------------------------------------------------------
DATABASES = databases(env.database)
DATABASE_ROUTERS = ["apps.records.router.RecordsRouter"]

# -- Cache and Celery -------------------------------------------------------------------------------------------------
CACHES = {"default": cache(env.redis.url)}
CHANNEL_LAYERS = layers(env.redis.url)
DC_CELERY_APP = "config.celery.app"
CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = broker(env.broker.url)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
# Each of these four defaults loses work when a process is killed (docs/decisions/0005-celery-settings.md).
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
# The tick has a queue of its own and is worth nothing when it is late: the next one does the same.
CELERY_BEAT_SCHEDULE = {
    "scheduling tick": {"task": "runtime.tick", "schedule": 1.0, "options": {"queue": "clock", "expires": 2}},
    "retention": {"task": "runtime.sweep", "schedule": 86_400.0, "options": {"expires": 43_200}},
    "actions on many": {"task": "runtime.bulk", "schedule": 2.0, "options": {"expires": 2}},
    "captchas that were lost": {"task": "captcha.settle", "schedule": 60.0, "options": {"expires": 60}},
    "balances of solvers": {"task": "captcha.balances", "schedule": 600.0, "options": {"expires": 600}},
    "upkeep of proxies": {"task": "proxies.upkeep", "schedule": 30.0, "options": {"expires": 30}},
    "judging of proxies": {"task": "proxies.judge", "schedule": 60.0, "options": {"expires": 60}},
    "index of the log search": {"task": "runtime.index_logs", "schedule": 10.0, "options": {"expires": 10}},
}
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# -- Time and language ------------------------------------------------------------------------------------------------
# What is not said to somebody is English: log lines, causes and other stored texts, the API (docs/translating.md).
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
DC_LANGUAGE = env.general.language
TIME_ZONE = env.general.time_zone
USE_TZ = True
USE_I18N = True

# -- Logging ----------------------------------------------------------------------------------------------------------
LOGGING_CONFIG = "config.logging.configure"
LOGGING = {"level": env.log.level, "format": env.log.format}
DC_SPLUNK_URL = env.splunk.url
DC_SPLUNK_TOKEN = env.splunk.token.get_secret_value() if env.splunk.token else ""
DC_SPLUNK_TOKEN_FILE = env.files.get("DC_SPLUNK_TOKEN")
DC_SPLUNK_INDEX = env.splunk.index
DC_SPLUNK_CA_BUNDLE = env.splunk.ca_bundle
DC_SPLUNK_LEVEL = env.splunk.level
DC_SPLUNK_ACK = env.splunk.ack

# -- Retention --------------------------------------------------------------------------------------------------------
DC_RETENTION_LOGS_DAYS = env.retention.logs_days
DC_RETENTION_RUNS_DAYS = env.retention.runs_days
DC_RETENTION_COMMANDS_DAYS = env.retention.commands_days
DC_RETENTION_JOURNAL_DAYS = env.retention.journal_days
DC_RETENTION_LOGS_MAX_ROWS = env.retention.logs_max_rows
DC_RETENTION_RUNS_MAX_ROWS = env.retention.runs_max_rows
DC_RETENTION_COMMANDS_MAX_ROWS = env.retention.commands_max_rows


# -- Look -------------------------------------------------------------------------------------------------------------
UNFOLD = LOOK
