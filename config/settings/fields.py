"""The types of settings: how a text becomes a value, and what a wrong one is told."""

from __future__ import annotations

import ipaddress
import os
import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from collectors.identity import BadAppCode, parse_code
from config.settings.reading import BASE_DIR


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _split_path(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _in_project(path: Path) -> Path:
    """Relative folders mean the project's, whatever folder a process was started in."""
    return BASE_DIR / path.expanduser()


def _is_host(name: str) -> str:
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name.replace(":", "/")
    if "/" in bare or " " in bare:
        raise ValueError("should be host names such as collector.example.com, without http:// and without a port")
    return name


def _is_queue(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise ValueError("should be queue names such as runs or big_machines: small letters, digits and underscores")
    return name


def _is_network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError("should be networks such as 10.1.0.0/16 or single addresses, separated by commas") from None


def _is_judge(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError("should be addresses such as https://collector.example.com/judge, separated by commas")
    return url


def _is_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError("should be the name of a time zone such as UTC or Europe/Berlin") from None
    return name


def _is_room(code: str) -> str:
    try:
        return parse_code(code).code
    except BadAppCode:
        raise ValueError("should be an app code, group.parent.app") from None


def _is_site(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("should be an address such as https://collector.example.com, and nothing behind the host")
    return url.rstrip("/")


def _is_origin(text: str) -> str:
    """`*` is refused by this as well: a page of any site could then ask."""
    try:
        return _is_site(text)
    except ValueError:
        raise ValueError("should be addresses such as https://app.example.com, separated by commas; not *") from None


def _is_issuer(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.username or parts.query or parts.fragment:
        raise ValueError("should be the issuer as the provider says it, such as https://login.example.com/realms/data")
    return url


def _is_asked_role(name: str) -> str:
    if name not in (*ROLE_NAMES, "superuser", "everybody"):
        raise ValueError(f"should be some of {', '.join(ROLE_NAMES)}, superuser, everybody")
    return name


def _role_map(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
    if any(not group.strip() or role.strip() not in ROLE_NAMES for group, _sign, role in pairs):
        raise ValueError(f"should be pairs such as data-team=operator; roles are {', '.join(ROLE_NAMES)}")
    return {group.strip(): role.strip() for group, _sign, role in pairs}


def _with_scheme(*schemes: str, example: str) -> AfterValidator:
    """The address begins with one of these schemes. The message never holds the address, which may hold a password."""

    def check(url: SecretStr) -> SecretStr:
        for part in url.get_secret_value().split(";"):
            try:
                scheme = urlsplit(part.strip()).scheme
            except ValueError:
                scheme = ""
            if scheme not in schemes:
                raise ValueError(f"should begin with {', '.join(f'{name}://' for name in schemes)}; {example}")
        return url

    return AfterValidator(check)


def _is_collector_url(url: str) -> str:
    """An address of a Splunk HTTP Event Collector, to which we add the path ourselves."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.username or parts.query or parts.fragment or "/services/" in parts.path:
        raise ValueError("should be an address such as https://splunk.example.com:8088, without /services behind it")
    return url.rstrip("/")


#: Those of apps/accounts/roles.py, which cannot be imported while settings are read.
ROLE_NAMES = ("viewer", "operator", "developer", "admin")
Issuer = Annotated[str, AfterValidator(_is_issuer)]
RoleNames = Annotated[list[Annotated[str, AfterValidator(_is_asked_role)]], BeforeValidator(_split)]
RoleMap = Annotated[dict[str, str], BeforeValidator(_role_map)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
LogFormat = Annotated[Literal["auto", "console", "json"], BeforeValidator(_lower)]
Language = Annotated[Literal["en", "de"], BeforeValidator(_lower)]
Fsync = Annotated[Literal["second", "line"], BeforeValidator(_lower)]
Host = Annotated[str, AfterValidator(_is_host)]
Zone = Annotated[str, AfterValidator(_is_zone)]
RoomCode = Annotated[str, AfterValidator(_is_room)]
Site = Annotated[str, AfterValidator(_is_site)]
CollectorUrl = Annotated[str, AfterValidator(_is_collector_url)]
Hosts = Annotated[list[Host], BeforeValidator(_split)]
Origins = Annotated[list[Annotated[str, AfterValidator(_is_origin)]], BeforeValidator(_split)]
Networks = Annotated[list[Annotated[str, AfterValidator(_is_network)]], BeforeValidator(_split)]
Judges = Annotated[list[Annotated[str, AfterValidator(_is_judge)]], BeforeValidator(_split)]
QueueNames = Annotated[list[Annotated[str, AfterValidator(_is_queue)]], BeforeValidator(_split)]
Folder = Annotated[Path, AfterValidator(_in_project)]
Folders = Annotated[list[Folder], BeforeValidator(_split_path)]
DatabaseUrl = Annotated[
    SecretStr,
    _with_scheme("postgresql", "postgres", "sqlite", example="write postgresql://user:password@host:5432/name"),
]
DataUrl = Annotated[
    SecretStr,
    _with_scheme(
        *("postgresql", "postgres", "sqlite", "mssql"), example="write postgresql://user:password@host:5432/name"
    ),
]
BrokerUrl = Annotated[
    SecretStr,
    _with_scheme(
        *("amqp", "amqps", "pyamqp", "redis", "rediss", "redis+socket", "filesystem", "memory"),
        example="write amqp://user:password@host:5672/name",
    ),
]
RedisUrl = Annotated[
    SecretStr, _with_scheme("redis", "rediss", "unix", "file", example="write redis://user:password@host:6379/0")
]
