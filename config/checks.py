"""Settings that are each right, but wrong together: Django system checks, listed in docs/settings.md."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, Warning  # noqa: A004  (Django's name for it)
from django.http.request import validate_host

from apps.core.encryption.keys import BadKeys, parse_keys
from config.security_checks import careless_settings
from config.settings.env import BASE_DIR, Settings, get_settings
from config.settings.local_files import KEPT_KEYS

TAG = "settings"

Check = Callable[[Settings], Iterator[CheckMessage]]


def register_all() -> None:
    """Hand the checks to Django; called once, when the Django app `config` is ready."""
    checks.register(_registered(ALWAYS), TAG)
    checks.register(_where_tables_are, Tags.database)
    checks.register(_registered(DEPLOY), TAG, deploy=True)
    checks.register(careless_settings, TAG, deploy=True)


def _registered(group: Iterable[Check]) -> Callable[..., list[CheckMessage]]:
    def run(**_: Any) -> list[CheckMessage]:
        return check_settings(get_settings(), group)

    return run


def _where_tables_are(*, databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    return check_settings(get_settings(), TABLES) if databases else []


def check_settings(settings: Settings, group: Iterable[Check]) -> list[CheckMessage]:
    """What these checks say about these settings."""
    return [message for check in group for message in check(settings)]


def check_names(settings: Settings) -> Iterator[CheckMessage]:
    for name, closest in settings.unknown.items():
        hint = f"Did you mean {closest}?" if closest else "`manage.py config` lists every setting; remove this one."
        yield Warning(f"{name} is not a setting; nothing reads it.", hint=hint, id="dc.W001")


def check_public_url(settings: Settings) -> Iterator[CheckMessage]:
    host = urlsplit(settings.general.public_url or "").hostname
    if host and not validate_host(f"[{host}]" if ":" in host else host, settings.general.allowed_hosts):
        yield Warning(
            f"DC_PUBLIC_URL names the host {host}, but this site does not answer to it.",
            hint=f"Add {host} to DC_ALLOWED_HOSTS.",
            id="dc.W002",
        )


def check_listening(settings: Settings) -> Iterator[CheckMessage]:
    if settings.general.profile == "embedded" and not _is_loopback(settings.web.host):
        yield Warning(
            f"DC_WEB_HOST is {settings.web.host}: other machines reach this site, over plain HTTP.",
            hint="The embedded profile is meant for one machine: use 127.0.0.1, or DC_PROFILE=production.",
            id="dc.W003",
        )


def check_secret_files(settings: Settings) -> Iterator[CheckMessage]:
    kept = {settings.general.data_dir / "secret-key", settings.general.data_dir / KEPT_KEYS}
    files = kept | set(settings.files.values())
    if ".env" in settings.origins.values():
        files.add(BASE_DIR / ".env")
    for path in sorted(files):
        if path.is_file() and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH) and not _is_mounted_secret(path):
            yield Warning(
                f"{path} holds secrets and can be read by other users of this machine.",
                hint=f"Run: chmod 600 {path}",
                id="dc.W004",
            )


def check_sources_path(settings: Settings) -> Iterator[CheckMessage]:
    for folder in settings.general.sources_path:
        if not folder.is_dir():
            yield Warning(
                f"DC_SOURCES_PATH names {folder}, which is not a folder: its sources are missing.",
                hint="Make the folder, or take it out of DC_SOURCES_PATH.",
                id="dc.W005",
            )


def check_hosts(settings: Settings) -> Iterator[CheckMessage]:
    if settings.general.profile == "production" and "*" in settings.general.allowed_hosts:
        yield Error(
            "DC_ALLOWED_HOSTS holds *, so links in messages can be made to point anywhere.",
            hint="Name the hosts, such as collector.example.com; .example.com stands for all below it.",
            id="dc.E001",
        )


def check_broker(settings: Settings) -> Iterator[CheckMessage]:
    url = settings.broker.url
    if url is None:
        yield Error(
            "DC_BROKER_URL is not set; the production profile has no default broker.",
            hint="Name RabbitMQ (amqp://user:password@host:5672/name) or Redis (redis://host:6379/0).",
            id="dc.E002",
        )
    elif settings.general.profile != "test" and url.get_secret_value().startswith("memory:"):
        yield Error(
            "DC_BROKER_URL is memory://, which no second process can reach: nothing would be scheduled.",
            hint="Name RabbitMQ, Redis or a filesystem:// folder.",
            id="dc.E003",
        )


def check_redis(settings: Settings) -> Iterator[CheckMessage]:
    if settings.redis.url is None:
        yield Error(
            "DC_REDIS_URL is not set; the production profile has no default cache.",
            hint="Name a Redis or Valkey server: redis://user:password@host:6379/0.",
            id="dc.E004",
        )


def check_data_dir(settings: Settings) -> Iterator[CheckMessage]:
    folder = settings.general.data_dir
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield Error(
            f"DC_DATA_DIR is {folder}, and this user cannot write there.",
            hint=f"Give {nearest} to the user that runs the platform, or name another folder.",
            id="dc.E005",
        )


def check_keys(settings: Settings) -> Iterator[CheckMessage]:
    kept = settings.general.data_dir / KEPT_KEYS
    keys = settings.secrets.keys
    if keys is None and not kept.is_file():
        return
    try:
        text = keys.get_secret_value() if keys else kept.read_text(encoding="utf-8")
        said = "" if parse_keys(text) else "There is no key in it."
    except (BadKeys, OSError, UnicodeDecodeError) as error:
        said = str(error) if isinstance(error, BadKeys) else "The file is damaged, or this user cannot read it."
    if said:
        yield Error(
            f"{'DC_SECRETS_KEYS' if keys else kept} cannot be used: {said}",
            hint="Restore it from a backup: without its keys the secrets in the database are lost (docs/secrets.md).",
            id="dc.E007",
        )


def check_keys_are_set(settings: Settings) -> Iterator[CheckMessage]:
    if settings.general.profile == "production" and settings.secrets.keys is None:
        yield Error(
            "DC_SECRETS_KEYS is not set; the production profile has no default key for secrets in tables.",
            hint="`manage.py secrets key` prints a new one; name its file in DC_SECRETS_KEYS_FILE and back it up.",
            id="dc.E006",
        )


def check_production_database(settings: Settings) -> Iterator[CheckMessage]:
    url = settings.database.url
    if settings.general.profile == "production" and url and url.get_secret_value().startswith("sqlite"):
        yield Warning(
            "DC_DATABASE_URL is SQLite: one writer at a time, and one machine.",
            hint="Use postgresql:// where a business depends on it.",
            id="dc.W006",
        )


def check_production_url(settings: Settings) -> Iterator[CheckMessage]:
    if settings.general.profile != "production":
        return
    url = settings.general.public_url
    if url is None:
        yield Warning(
            "DC_PUBLIC_URL is not set; messages and login links cannot say where the site is.",
            hint="Set the address people open, such as https://collector.example.com.",
            id="dc.W007",
        )
    elif url.startswith("http:"):
        yield Warning(
            "DC_PUBLIC_URL begins with http://: login links and passwords travel in clear text.",
            hint="Let a proxy speak HTTPS and set DC_PUBLIC_URL to its https:// address.",
            id="dc.W008",
        )


def check_https(settings: Settings) -> Iterator[CheckMessage]:
    if settings.general.profile != "production":
        return
    if not settings.web.https:
        yield Warning(
            "DC_WEB_HTTPS is off: cookies are sent over plain HTTP and browsers are not told to use HTTPS.",
            hint="Put a proxy that speaks HTTPS in front; set DC_WEB_HTTPS=yes and DC_WEB_BEHIND_PROXY=yes.",
            id="dc.W009",
        )
    elif not settings.web.behind_proxy:
        yield Warning(
            "DC_WEB_HTTPS is on, but the web process itself speaks plain HTTP: every page may redirect to itself.",
            hint="Put a proxy that speaks HTTPS and sets X-Forwarded-Proto in front; set DC_WEB_BEHIND_PROXY=yes.",
            id="dc.W010",
        )


def check_proxy_count(settings: Settings) -> Iterator[CheckMessage]:
    if settings.general.profile == "production" and settings.web.behind_proxy and settings.web.proxy_count == 0:
        yield Warning(
            "DC_WEB_BEHIND_PROXY is on and DC_WEB_PROXY_COUNT is 0: everybody seems to come from the proxy's address.",
            hint="Set DC_WEB_PROXY_COUNT to the number of your proxies that add to X-Forwarded-For, usually 1.",
            id="dc.W011",
        )


ALWAYS: tuple[Check, ...] = (
    *(check_names, check_public_url, check_listening, check_secret_files, check_sources_path, check_hosts),
    *(check_broker, check_redis, check_data_dir, check_keys),
)
#: Asked for where tables are: by `migrate`, `check --database` and `config --check`.
TABLES: tuple[Check, ...] = (check_keys_are_set,)
DEPLOY: tuple[Check, ...] = (
    *(check_keys_are_set, check_production_database, check_production_url, check_https, check_proxy_count),
)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_mounted_secret(path: Path) -> bool:
    """Secrets that Docker and Kubernetes mount are readable by all inside the container, and there is nobody else."""
    return path.is_relative_to("/run/secrets") or path.is_relative_to("/var/run/secrets")
