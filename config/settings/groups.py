"""The settings themselves: what each is called, of which type it is, what it stands for when nobody sets it.

A field of a group is an environment variable: `port` of the group with the prefix `DC_WEB_` is `DC_WEB_PORT`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from config.settings.fields import (
    BrokerUrl,
    CollectorUrl,
    DatabaseUrl,
    DataUrl,
    Folder,
    Folders,
    Fsync,
    Hosts,
    Judges,
    Language,
    Level,
    LogFormat,
    Networks,
    Origins,
    QueueNames,
    RedisUrl,
    RoomCode,
    Site,
    Zone,
)
from config.settings.group import Group
from config.settings.reading import BASE_DIR
from config.settings.sign_in import OpenIDSettings, SecondFactorSettings

Profile = Literal["embedded", "production", "test"]


class GeneralSettings(Group):
    """The installation"""

    model_config = SettingsConfigDict(env_prefix="DC_")

    profile: Profile = Field("embedded", description="Which set of defaults applies.")
    secret_key: SecretStr | None = Field(
        None, description="Signs sessions and links; at least 50 characters. Embedded: made once, kept in DC_DATA_DIR."
    )
    allowed_hosts: Hosts = Field(["localhost", "127.0.0.1", "[::1]"], description="Host names this site answers to.")
    data_dir: Folder = Field(BASE_DIR / "var", description="SQLite files, run output, sockets.")
    sources_path: Folders = Field([], description="Further folders of rooms, separated by colons.")
    only_room: RoomCode | None = Field(None, description="Load this one room; runcollector sets it for itself.")
    time_zone: Zone = Field("UTC", description="Zone in which pages show times.")
    language: Language = Field("en", description="Language of pages for whom neither they nor their browser name one.")
    public_url: Site | None = Field(None, description="Address people open; used in links.")


class SecretsSettings(Group):
    """Secrets in tables, and the encrypted file of settings"""

    model_config = SettingsConfigDict(env_prefix="DC_SECRETS_")

    keys: SecretStr | None = Field(
        None,
        description="Keys for secrets in tables; the first encrypts. Embedded: made once, kept in DC_DATA_DIR.",
    )
    path: Folder | None = Field(
        None, description="The encrypted file of settings. Not set: secrets.env.enc, if it is there."
    )
    passphrase: SecretStr | None = Field(None, description="Opens that file.")


class DatabaseSettings(Group):
    """Where rows live"""

    model_config = SettingsConfigDict(env_prefix="DC_DATABASE_")

    url: DatabaseUrl | None = Field(
        None, description="The platform's own tables: postgresql://user:password@host/name or sqlite:////path."
    )
    data_url: DataUrl | None = Field(None, description="Collected rows, where they live in another database.")
    connect_timeout_s: int = Field(3, ge=1, le=60, description="Seconds to wait for a connection.")


class BrokerSettings(Group):
    """The message broker of Celery"""

    model_config = SettingsConfigDict(env_prefix="DC_BROKER_")

    url: BrokerUrl | None = Field(
        None, description="amqp://, redis://, rediss://, redis+socket:// or filesystem://. Embedded: private Valkey."
    )


class RedisSettings(Group):
    """The cache that all processes share"""

    model_config = SettingsConfigDict(env_prefix="DC_REDIS_")

    url: RedisUrl | None = Field(
        None, description="redis://, rediss://, unix://, or file:// for a folder. Embedded: private Valkey."
    )


class WebSettings(Group):
    """The web process"""

    model_config = SettingsConfigDict(env_prefix="DC_WEB_")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    https: bool = Field(default=True, description="Production: cookies and redirects for HTTPS.")
    behind_proxy: bool = Field(default=False, description="A proxy sets X-Forwarded-Proto and strips it from outside.")
    proxy_count: int = Field(
        0, ge=0, le=10, description="Proxies in front that add to X-Forwarded-For; 0: it is not believed."
    )
    session_hours: int = Field(12, ge=1, le=168, description="Hours after which people sign in again, in any case.")
    max_body_mb: int = Field(16, ge=1, le=10_000, description="Largest request, in MiB; larger ones get 413.")
    session_idle_min: int = Field(120, ge=5, le=1440, description="Minutes without a page opened that end a session.")


class ApiSettings(Group):
    """How often programs may ask"""

    model_config = SettingsConfigDict(env_prefix="DC_API_")

    reads_per_minute: int = Field(1_200, ge=0, description="Of one user or client; 0: no limit.")
    writes_per_minute: int = Field(300, ge=0, description="Of one user or client; 0: no limit.")
    refusals_per_minute: int = Field(60, ge=0, description="Wrong tokens from one address; 0: no limit.")
    allowed_origins: Origins = Field([], description="Sites whose pages may ask the API (CORS); none by default.")


class MetricsSettings(Group):
    """Who may read the figures at /metrics"""

    model_config = SettingsConfigDict(env_prefix="DC_METRICS_")

    token: SecretStr | None = Field(None, description="Sent by Prometheus as a bearer token.")
    allow: Networks = Field([], description="Addresses and networks that need no token, such as 127.0.0.1,10.0.0.0/8.")


class RunSettings(Group):
    """How runs are executed"""

    model_config = SettingsConfigDict(env_prefix="DC_RUN_")

    slots: int = Field(4, ge=1, le=1000, description="Runs at the same time on this machine.")
    queues: QueueNames = Field(["runs"], description="The queues whose runs this machine takes, separated by commas.")
    allowed_networks: Networks = Field(
        [], description="Networks that are not public and that every source may fetch from, separated by commas."
    )


class ProxiesSettings(Group):
    """Proxies"""

    model_config = SettingsConfigDict(env_prefix="DC_PROXIES_")

    judges: Judges = Field(
        ["https://httpbin.org/ip", "https://api.ipify.org?format=json", "https://ifconfig.co/json"],
        description="Pages that say by which address one comes, separated by commas; two have to agree.",
    )


class PolitenessSettings(Group):
    """How sites are fetched from, where nobody says otherwise"""

    model_config = SettingsConfigDict(env_prefix="DC_POLITE_")

    delay_min_s: float = Field(1.0, ge=0, le=3600, description="Least pause between two requests to a site.")
    delay_max_s: float = Field(3.0, ge=0, le=3600, description="Longest pause; each one is a random one between them.")
    at_once: int = Field(0, ge=0, le=1000, description="Requests at once to a site that is new; 0: any number.")


class LogSettings(Group):
    """What processes say about themselves"""

    model_config = SettingsConfigDict(env_prefix="DC_LOG_")

    level: Level = Field("INFO", description="Least level shown.")
    format: LogFormat = Field("auto", description="auto: console on a terminal, else json.")


class JournalSettings(Group):
    """The journals that runs and processes write"""

    model_config = SettingsConfigDict(env_prefix="DC_JOURNAL_")

    fsync: Fsync = Field("second", description="How much a power cut can take: a second of lines, or none.")


class SplunkSettings(Group):
    """Splunk, where lines are sent as well"""

    model_config = SettingsConfigDict(env_prefix="DC_SPLUNK_")

    url: CollectorUrl | None = Field(
        None, description="HTTP Event Collector, such as https://splunk.example.com:8088. Not set: nothing is sent."
    )
    token: SecretStr | None = Field(None, description="Its token. From a file it is read again when it changes.")
    index: str = Field("", description="Index to write to; empty: the token's own.")
    ca_bundle: Folder | None = Field(None, description="CA bundle that signed its certificate, where no public CA did.")
    level: Level = Field("INFO", description="Least level sent.")
    ack: bool = Field(default=False, description="Wait for the indexer's acknowledgement; the token must have it on.")


class RetentionSettings(Group):
    """How long rows are kept"""

    model_config = SettingsConfigDict(env_prefix="DC_RETENTION_")

    logs_days: int = Field(90, ge=0, le=36500, description="Days that lines and function rows are kept; 0: for ever.")
    runs_days: int = Field(180, ge=0, le=36500, description="Days that ended runs are kept; 0: for ever.")
    commands_days: int = Field(
        365, ge=0, le=36500, description="Days that finished commands and messages to people are kept; 0: for ever."
    )
    journal_days: int = Field(7, ge=1, le=3650, description="Days that journals stay on disk when all have them.")
    logs_max_rows: int = Field(0, ge=0, le=10**12, description="Most lines kept; 0: no limit.")
    runs_max_rows: int = Field(0, ge=0, le=10**12, description="Most ended runs kept; 0: no limit.")
    commands_max_rows: int = Field(0, ge=0, le=10**12, description="Most finished commands kept; 0: no limit.")


GROUPS: dict[str, type[Group]] = {
    "general": GeneralSettings,
    "secrets": SecretsSettings,
    "database": DatabaseSettings,
    "broker": BrokerSettings,
    "redis": RedisSettings,
    "web": WebSettings,
    "second_factor": SecondFactorSettings,
    "oidc": OpenIDSettings,
    "api": ApiSettings,
    "metrics": MetricsSettings,
    "run": RunSettings,
    "proxies": ProxiesSettings,
    "polite": PolitenessSettings,
    "log": LogSettings,
    "journal": JournalSettings,
    "splunk": SplunkSettings,
    "retention": RetentionSettings,
}


def known_variables() -> list[str]:
    """Every setting there is, as the name of its environment variable."""
    return [group.variable(name) for group in GROUPS.values() for name in group.model_fields]
