"""From a URL to Django Channels' CHANNEL_LAYERS."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr


def layers(url: SecretStr | None) -> dict[str, Any]:
    """The layer that carries wake-ups between processes: the server that holds the cache.

    A machine whose cache is a folder has none; whoever follows a log then asks the database at short intervals.
    Pub/sub keeps nothing and costs least. What it loses is found by the next look at the database.
    """
    location = url.get_secret_value().partition(";")[0].strip() if url else ""
    if not location or location.startswith("file://"):
        return {}
    host = {"address": location, "socket_connect_timeout": 2}
    return {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [host], "prefix": "dc"},
        }
    }
