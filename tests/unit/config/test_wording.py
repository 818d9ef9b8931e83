from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from config.settings.wording import redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@db.example:5432/dc", "postgresql://******@db.example:5432/dc"),
        ("postgresql://u:p@a@db/dc?password=x", "postgresql://******@db/dc?******"),
        ("sqlite:////srv/dc.sqlite3", "sqlite:////srv/dc.sqlite3"),
        ("redis+socket:///srv/run/valkey.sock", "redis+socket:///srv/run/valkey.sock"),
        ("amqp://u:p@a/v;amqp://u:p@b/v", "amqp://******@a/v;amqp://******@b/v"),
        ("redis://[::1", "******"),
        ("a-bare-password", "******"),
    ],
)
def test_an_address_is_shown_without_user_password_and_parameters(url: str, shown: str) -> None:
    assert redacted("DC_DATABASE_URL", SecretStr(url)) == shown


def test_a_secret_is_not_shown_at_all() -> None:
    assert redacted("DC_SECRET_KEY", SecretStr("abc")) == "******"


def test_other_values_are_shown_as_json_can_hold_them() -> None:
    assert redacted("DC_SOURCES_PATH", [Path("/a"), Path("/b")]) == ["/a", "/b"]
    assert redacted("DC_WEB_PORT", 8000) == 8000
    assert redacted("DC_PUBLIC_URL", None) is None
