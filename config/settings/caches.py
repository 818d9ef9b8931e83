"""From a URL to an entry of Django's CACHES."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr


def cache(url: SecretStr | None) -> dict[str, Any]:
    """The entry for a cache: Redis or Valkey, or a folder (file:///path) on a machine that has neither."""
    location = url.get_secret_value() if url else ""
    if location.startswith("file://"):
        return {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": location.removeprefix("file://"),
        }
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": location,
        "KEY_PREFIX": "dc",
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }
