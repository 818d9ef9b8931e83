"""Careless settings that Django's own `check --deploy` says nothing about, whatever made them so.

They look at the settings as they are in force, not at the environment: most of what they hold can only be changed in
code, by a settings module of one's own. Listed in docs/settings.md; each is told by `check --deploy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  (Django's name for it)

from apps.core.headers import ADMIN_POLICY, DATA_POLICY, PAGE_POLICY

SecurityCheck = Callable[[Any], Iterator[CheckMessage]]

HEADERS = (
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.core.headers.HeadersMiddleware",
    "apps.core.body_cap.body_cap_middleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.accounts.middleware.SessionAgeMiddleware",
)
BACKENDS = {"apps.accounts.backends.PasswordBackend"}
#: What a source of scripts or styles must not be.
LOOSE = {"'unsafe-inline'", "*", "https:", "http:", "data:"}
OAUTH = {
    "PKCE_REQUIRED": True,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOW_URI_WILDCARDS": False,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "DCR_ENABLED": False,
}
LONGEST_ACCESS_S, LARGEST_FORM, LARGEST_BODY = 3_600, 64 * 2**20, 1024 * 2**20
SHORTEST_TOKEN = 20
PLAIN_PASSWORDS = ("guest:guest@", "admin:admin@", "postgres:postgres@", "password@", "changeme@")


def check_headers(settings: Any) -> Iterator[CheckMessage]:
    missing = [name for name in HEADERS if name not in settings.MIDDLEWARE]
    if missing:
        yield Error(
            f"{missing[0]} is not in MIDDLEWARE: answers go out without what it stands for.",
            hint="Put it back where config/settings/base.py has it.",
            id="dc.E008",
        )


def check_policies(
    _settings: Any, policies: tuple[dict[str, tuple[str, ...]], ...] = (PAGE_POLICY, ADMIN_POLICY, DATA_POLICY)
) -> Iterator[CheckMessage]:
    for policy in policies:
        sources = {*policy.get("script-src", ()), *policy.get("style-src", ()), *policy.get("default-src", ("*",))}
        if loose := sorted(sources & LOOSE):
            yield Error(
                f"A content policy allows {loose[0]}: text that is slipped into a page can run.",
                hint="Scripts and styles are files of this site; apps/core/headers.py holds the policies.",
                id="dc.E009",
            )
            return


def check_cors(settings: Any) -> Iterator[CheckMessage]:
    is_open = getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False) or getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", ())
    if is_open or "*" in settings.CORS_ALLOWED_ORIGINS or getattr(settings, "CORS_ALLOW_CREDENTIALS", False):
        yield Error(
            "CORS is open: pages of sites that nobody named can ask this one, or can with people's cookies.",
            hint="Name the sites in DC_API_ALLOWED_ORIGINS, and nothing else.",
            id="dc.E010",
        )
    elif plain := [origin for origin in settings.CORS_ALLOWED_ORIGINS if not origin.startswith("https://")]:
        yield Warning(
            f"DC_API_ALLOWED_ORIGINS names {plain[0]}: whoever is on the way can be that site.",
            hint="Name its https:// address.",
            id="dc.W012",
        )


def check_cache(settings: Any) -> Iterator[CheckMessage]:
    backend = settings.CACHES["default"]["BACKEND"]
    if backend.endswith(("LocMemCache", "DummyCache")):
        yield Error(
            f"The cache is {backend.rpartition('.')[2]}, which no second process shares: each counts for itself.",
            hint="Name a Redis or Valkey server in DC_REDIS_URL.",
            id="dc.E011",
        )


def check_channel_layer(settings: Any) -> Iterator[CheckMessage]:
    for layer in settings.CHANNEL_LAYERS.values():
        if layer["BACKEND"].endswith("InMemoryChannelLayer"):
            yield Error(
                "The channel layer is in memory: wake-ups, and the end of a session, reach one process only.",
                hint="Name a Redis or Valkey server in DC_REDIS_URL.",
                id="dc.E012",
            )


def check_throttles(settings: Any) -> Iterator[CheckMessage]:
    names = ("DC_API_READS_PER_MINUTE", "DC_API_WRITES_PER_MINUTE", "DC_API_REFUSALS_PER_MINUTE")
    if off := [name for name in names if not getattr(settings, name)]:
        yield Warning(
            f"{off[0]} is 0: a program may ask as often as it likes.",
            hint="Set a number that the largest of your programs stays below.",
            id="dc.W013",
        )


def check_secrets(settings: Any) -> Iterator[CheckMessage]:
    secrets = {
        "DC_SECRET_KEY": settings.SECRET_KEY,
        "DC_METRICS_TOKEN": settings.DC_METRICS_TOKEN,
        "DC_SPLUNK_TOKEN": settings.DC_SPLUNK_TOKEN,
        "DC_SECRETS_KEYS": settings.DC_SECRETS_KEYS,
    }
    seen: dict[str, str] = {}
    for name, value in secrets.items():
        if value and value in seen:
            yield Error(
                f"{name} is the same as {seen[value]}: whoever learns one has both.",
                hint=f"Make a new value for {name}.",
                id="dc.E013",
            )
        seen[value] = name
    token = settings.DC_METRICS_TOKEN
    if token and (len(token) < SHORTEST_TOKEN or len(set(token)) < SHORTEST_TOKEN // 2):
        yield Error(
            "DC_METRICS_TOKEN can be guessed.",
            hint=f"Use at least {SHORTEST_TOKEN} random characters, such as those of `openssl rand -hex 32`.",
            id="dc.E014",
        )


def check_passwords_of_servers(settings: Any) -> Iterator[CheckMessage]:
    # Of a database Django has the parts, of the others the address.
    told = [f":{base.get('PASSWORD')}@" for base in settings.DATABASES.values() if base.get("PASSWORD")]
    told += [str(settings.CELERY_BROKER_URL), str(settings.CACHES["default"].get("LOCATION", ""))]
    if any(plain in address for plain in PLAIN_PASSWORDS for address in told):
        yield Warning(
            "The password of the broker, the cache or a database is one that servers come with.",
            hint="Give this platform a user of its own with a random password.",
            id="dc.W014",
        )


def check_oauth(settings: Any) -> Iterator[CheckMessage]:
    oauth = settings.OAUTH2_PROVIDER
    careless = [name for name, wanted in OAUTH.items() if oauth.get(name) != wanted]
    careless += [name for name, value in oauth.items() if name.startswith("COMPLIANT_BCP_RFC9700_") and not value]
    lives = oauth.get("ACCESS_TOKEN_EXPIRE_SECONDS") or LONGEST_ACCESS_S + 1
    careless += ["ACCESS_TOKEN_EXPIRE_SECONDS"] if lives > LONGEST_ACCESS_S else []
    if careless:
        yield Error(
            f"OAuth2 is careless: {careless[0]} is {oauth.get(careless[0])!r}.",
            hint="RFC 9700 says why; config/settings/oauth.py has the values of this platform.",
            id="dc.E015",
        )


def check_celery(settings: Any) -> Iterator[CheckMessage]:
    if settings.CELERY_ACCEPT_CONTENT != ["json"] or settings.CELERY_TASK_SERIALIZER != "json":
        yield Error(
            "Workers accept more than JSON: whoever writes to the broker can run code on every machine.",
            hint='Set CELERY_ACCEPT_CONTENT = ["json"] and CELERY_TASK_SERIALIZER = "json".',
            id="dc.E016",
        )
    if settings.CELERY_WORKER_ENABLE_REMOTE_CONTROL:
        yield Warning(
            "Workers take remote commands: whoever writes to the broker can stop them and change their limits.",
            hint="Set CELERY_WORKER_ENABLE_REMOTE_CONTROL = False; nothing here needs it.",
            id="dc.W015",
        )


def check_signing_in(settings: Any) -> Iterator[CheckMessage]:
    foreign = set(settings.AUTHENTICATION_BACKENDS) - BACKENDS
    if foreign:
        yield Error(
            f"{min(foreign)} signs people in past the lockout and the audit trail.",
            hint="Only the backends of apps/accounts/backends.py count what fails.",
            id="dc.E017",
        )
    hasher = settings.PASSWORD_HASHERS[0]
    if not hasher.endswith(("Argon2PasswordHasher", "ScryptPasswordHasher")) or not settings.AUTH_PASSWORD_VALIDATORS:
        yield Error(
            "Passwords are kept by a hash that is quick to try, or may be as weak as people like.",
            hint="Put Argon2 first in PASSWORD_HASHERS and keep AUTH_PASSWORD_VALIDATORS.",
            id="dc.E018",
        )


def check_cookies(settings: Any) -> Iterator[CheckMessage]:
    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    is_strict = settings.SESSION_COOKIE_SAMESITE in ("Lax", "Strict") and settings.CSRF_COOKIE_SAMESITE in (
        "Lax",
        "Strict",
    )
    # Without HTTPS dc.W009 speaks; browsers refuse these names there.
    is_bound = not settings.SECURE_SSL_REDIRECT or all(name.startswith("__Host-") for name in names)
    if not is_strict or not is_bound or settings.SESSION_COOKIE_DOMAIN or settings.CSRF_COOKIE_DOMAIN:
        yield Error(
            "The cookies of session and form can come from, or go to, other sites.",
            hint="Keep SameSite=Lax, names with __Host-, and no domain.",
            id="dc.E019",
        )


def check_sizes(settings: Any) -> Iterator[CheckMessage]:
    form, body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, settings.DC_MAX_BODY_BYTES
    is_open = form is None or form > LARGEST_FORM or body > LARGEST_BODY
    if is_open or not settings.DATA_UPLOAD_MAX_NUMBER_FIELDS or not settings.DATA_UPLOAD_MAX_NUMBER_FILES:
        yield Warning(
            "Requests may be as large as the memory or the disk.",
            hint="Keep DATA_UPLOAD_MAX_... and DC_WEB_MAX_BODY_MB at what people and programs send.",
            id="dc.W016",
        )


SECURITY: tuple[SecurityCheck, ...] = (
    check_headers,
    check_policies,
    check_cors,
    check_cache,
    check_channel_layer,
    check_throttles,
    check_secrets,
    check_passwords_of_servers,
    check_oauth,
    check_celery,
    check_signing_in,
    check_cookies,
    check_sizes,
)


def careless_settings(**_: Any) -> list[CheckMessage]:
    """The settings of this process, for Django's registry of checks."""
    return check_security(django_settings)


def check_security(settings: Any) -> list[CheckMessage]:
    """What is careless about these settings of Django."""
    return [message for check in SECURITY for message in check(settings)]
