"""Typed settings. Every one is an environment variable with the prefix `DC_`.

A value is looked for in this order; the first place that has it wins:

1. the environment: `DC_NAME`, or `DC_NAME_FILE` naming a file that holds the value,
2. the file `.env` in the project's folder: the same two names,
3. the encrypted secrets file, where there is one,
4. the default of the profile (`DC_PROFILE`), then the default of the field.

`Settings.origins` remembers where each value came from; `manage.py config` prints it.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr, ValidationError

from config.errors import SettingsError
from config.settings.encrypted import secrets_layer
from config.settings.group import Group
from config.settings.groups import (
    GROUPS,
    ApiSettings,
    BrokerSettings,
    DatabaseSettings,
    GeneralSettings,
    JournalSettings,
    LogSettings,
    MetricsSettings,
    PolitenessSettings,
    ProxiesSettings,
    RedisSettings,
    RetentionSettings,
    RunSettings,
    SecretsSettings,
    SplunkSettings,
    WebSettings,
    known_variables,
)
from config.settings.reading import BASE_DIR, FILE, Found, Layer, env_file_layer, look_up
from config.settings.sign_in import OpenIDSettings, SecondFactorSettings
from config.settings.wording import complaint, is_secret

__all__ = ["BASE_DIR", "DatabaseSettings", "Settings", "SettingsError", "get_settings", "read_settings", "socket_path"]

SHORTEST_KEY = 50


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole tree."""

    general: GeneralSettings
    secrets: SecretsSettings
    database: DatabaseSettings
    broker: BrokerSettings
    redis: RedisSettings
    web: WebSettings
    second_factor: SecondFactorSettings
    oidc: OpenIDSettings
    api: ApiSettings
    metrics: MetricsSettings
    run: RunSettings
    proxies: ProxiesSettings
    polite: PolitenessSettings
    log: LogSettings
    journal: JournalSettings
    splunk: SplunkSettings
    retention: RetentionSettings
    origins: Mapping[str, str]
    """Variable name -> where its value came from, for every value that is not the field's own default."""
    files: Mapping[str, Path]
    """Variable name -> the file that `DC_NAME_FILE` named, for every value that came from one."""
    unknown: Mapping[str, str]
    """DC_ variables that mean nothing -> the known name closest to it (or an empty string)."""


@cache
def get_settings() -> Settings:
    """The settings of this process. Raises `SettingsError` naming every wrong value, one line each."""
    layers = [Layer("environment", os.environ)]
    # Tests answer to their own environment only, whatever a developer keeps in .env.
    is_test = os.environ.get("DC_PROFILE") == "test"
    if not is_test:
        layers.append(env_file_layer(BASE_DIR / ".env"))
    if layer := secrets_layer(layers, is_test=is_test):
        layers.append(layer)
    return read_settings(layers)


def read_settings(layers: Sequence[Layer]) -> Settings:
    """The settings that these layers make, the first one winning. Raises `SettingsError`."""
    known = known_variables()
    secret = [
        group.variable(name) for group in GROUPS.values() for name, f in group.model_fields.items() if is_secret(f)
    ]
    found, problems = look_up(layers, known, secret)
    groups: dict[str, Any] = {name: _load(group, found, problems) for name, group in GROUPS.items()}
    if not problems:
        problems += _missing(groups["general"], groups["database"])
    if not problems:
        problems += _incomplete(groups["splunk"], groups["oidc"], groups["general"].profile)
    if problems:
        raise SettingsError("\n".join(problems))
    return _with_profile_defaults(
        Settings(
            **groups,
            origins={variable: value.origin for variable, value in found.items()},
            files={variable: value.file for variable, value in found.items() if value.file},
            unknown=_unknown(layers, known),
        )
    )


def _load(group: type[Group], found: Mapping[str, Found], problems: list[str]) -> Group | None:
    fields = group.model_fields
    values: dict[str, Any] = {
        name: found[group.variable(name)].value for name in fields if group.variable(name) in found
    }
    try:
        return group(**values)
    except ValidationError as error:
        faults = {str(fault["loc"][0]): fault for fault in error.errors(include_input=False, include_url=False)}
    for name, fault in faults.items():
        text = complaint(fault, fields[name], values[name])
        problems.append(f"{group.variable(name)}: {text} (from {found[group.variable(name)].origin}).")
    return None


def _missing(general: GeneralSettings, database: DatabaseSettings) -> list[str]:
    """What a process cannot start without: production has no defaults for what only the owner can know."""
    problems = []
    key = general.secret_key.get_secret_value() if general.secret_key else None
    if key is not None and len(key) < SHORTEST_KEY:
        problems.append(f"DC_SECRET_KEY: too short; use at least {SHORTEST_KEY} random characters.")
    if general.profile == "production" and key is None:
        problems.append("DC_SECRET_KEY: not set; the production profile has no default key.")
    if general.profile == "production" and database.url is None:
        problems.append("DC_DATABASE_URL: not set; the production profile has no default database.")
    return problems


def _incomplete(splunk: SplunkSettings, oidc: OpenIDSettings, profile: str) -> list[str]:
    if oidc.issuer is not None and not (oidc.client_id and oidc.client_secret):
        return ["DC_OIDC_CLIENT_ID, DC_OIDC_CLIENT_SECRET: not set, but DC_OIDC_ISSUER is."]
    if oidc.issuer is not None and profile == "production" and not oidc.issuer.startswith("https:"):
        return ["DC_OIDC_ISSUER: should begin with https://; over plain HTTP anybody on the way can be anybody."]
    if splunk.url is not None and splunk.token is None:
        return ["DC_SPLUNK_TOKEN: not set, but DC_SPLUNK_URL is; Splunk takes nothing without a token."]
    return []


def _unknown(layers: Sequence[Layer], known: Sequence[str]) -> dict[str, str]:
    names = [*known, *(f"{name}{FILE}" for name in known)]
    return {
        name: next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.8)), "")
        for layer in layers
        for name, _ in layer
        if name not in names and not name.startswith("DC_TEST_")
    }


def _with_profile_defaults(settings: Settings) -> Settings:
    """Fill what nobody set with what the profile says."""
    groups: dict[str, Any] = {}
    origins = dict(settings.origins)
    for name, defaults in _profile_defaults(settings).items():
        group: Group = getattr(settings, name)
        missing = {key: value for key, value in defaults.items() if group.variable(key) not in origins}
        groups[name] = group.model_copy(update=missing)
        origins |= {group.variable(key): f"profile {settings.general.profile}" for key in missing}
    return replace(settings, **groups, origins=origins)


def _profile_defaults(settings: Settings) -> dict[str, dict[str, Any]]:
    """Group -> field -> value. Production has none: what it needs, it must be told."""
    if settings.general.profile == "production":
        return {}
    data_dir, web = settings.general.data_dir, settings.web
    socket = quote(str(socket_path(data_dir)))
    database = {"url": SecretStr(f"sqlite:///{quote(str(data_dir))}/platform.sqlite3")}
    if settings.database.url is None:
        # Two files, so that a large merge does not hold up the platform. A server needs no such help.
        database["data_url"] = SecretStr(f"sqlite:///{quote(str(data_dir))}/data.sqlite3")
    return {
        "general": {"public_url": f"http://{_reachable(web.host)}:{web.port}"},
        "database": database,
        # The demo shop, and sites that sources serve themselves, are on this machine.
        "run": {"allowed_networks": ["127.0.0.0/8", "::1/128"]},
        "broker": {"url": SecretStr(f"redis+socket://{socket}")},
        "redis": {"url": SecretStr(f"unix://{socket}")},
    }


def _reachable(host: str) -> str:
    """An address to listen on, as a browser on this machine would write it."""
    if host in ("0.0.0.0", "::", "*"):  # noqa: S104  (compared, not bound)
        return "localhost"
    return f"[{host}]" if ":" in host else host


def socket_path(data_dir: Path) -> Path:
    """Where the private Valkey listens. A socket's path holds 107 bytes, so a deep folder gets a short stand-in."""
    path = data_dir / "run" / "valkey.sock"
    if len(os.fsencode(path)) <= 100:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"datacollector-{os.getuid()}-{digest}" / "valkey.sock"
