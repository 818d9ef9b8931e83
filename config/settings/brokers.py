"""From a URL to the Celery settings of a broker."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr


def broker(url: SecretStr | None) -> tuple[str, dict[str, Any]]:
    """`(broker_url, broker_transport_options)`."""
    location = url.get_secret_value() if url else ""
    scheme, _, path = location.partition("://")
    if scheme == "filesystem":
        folders = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), path)
        return "filesystem://", {**folders, "polling_interval": 0.1}
    if scheme in ("amqp", "amqps", "pyamqp"):
        # Without confirms a broker that is killed loses messages which publish() called sent.
        return location, {"confirm_publish": True}
    # The visibility timeout lies above the longest task; what a killed worker held is given out again within seconds.
    return location, {"visibility_timeout": 3600, "unacked_restore_interval": 10, "unacked_restore_throttle": 1}
