from __future__ import annotations

import sys

import pytest
from pydantic import SecretStr, ValidationError

from config.errors import SettingsError
from config.settings.databases import databases
from config.settings.groups import DatabaseSettings
from config.settings.reading import BASE_DIR


def settings(url: str, data_url: str | None = None) -> DatabaseSettings:
    data = SecretStr(data_url) if data_url else None
    return DatabaseSettings.model_construct(url=SecretStr(url), data_url=data, connect_timeout_s=3)


def test_an_address_becomes_a_connection() -> None:
    entry = databases(settings("postgresql://u:p%40ss@db.example:5433/dc?sslmode=require"))["default"]

    assert entry["ENGINE"] == "django.db.backends.postgresql"
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"], entry["PORT"]) == ("u", "p@ss", "db.example", 5433)
    assert entry["NAME"] == "dc"
    assert entry["OPTIONS"] == {
        "sslmode": "require",
        "connect_timeout": 3,
        "options": "-c jit=off",
        # A network that swallows packets is found out within seconds.
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }


def test_sqlite_waits_for_its_lock_where_a_transaction_begins() -> None:
    entry = databases(settings("sqlite:////srv/dc.sqlite3"))["default"]

    assert entry["NAME"] == "/srv/dc.sqlite3"
    assert entry["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in entry["OPTIONS"]["init_command"]


def test_a_relative_file_lies_in_the_project() -> None:
    assert databases(settings("sqlite:///dc.sqlite3"))["default"]["NAME"] == str(BASE_DIR / "dc.sqlite3")


def test_a_second_address_is_the_connection_of_collected_rows() -> None:
    assert set(databases(settings("sqlite:////a"))) == {"default"}
    assert set(databases(settings("sqlite:////a", "sqlite:////b"))) == {"default", "data"}


@pytest.mark.parametrize("url", ["postgresql://u:Pa55word@db:port/x", "postgresql://u:Pa55word@db"])
def test_what_is_no_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        databases(settings("sqlite:////a", url))

    assert str(caught.value).startswith("DC_DATABASE_DATA_URL: ")
    assert "Pa55word" not in str(caught.value)


def test_collected_rows_may_live_in_sql_server_and_the_platforms_own_may_not() -> None:
    entry = databases(settings("sqlite:////a", "mssql://dc:p%40ss@db.example.com:1433/stock"))["data"]
    assert entry["ENGINE"] == "apps.databases.engines.sqlserver"
    assert (entry["HOST"], entry["PORT"], entry["NAME"], entry["PASSWORD"]) == ("db.example.com", 1433, "stock", "p@ss")
    assert entry["OPTIONS"]["connection_timeout"] == 3
    with pytest.raises(ValidationError, match="should begin with postgresql"):
        DatabaseSettings(url=SecretStr("mssql://dc@db.example.com/stock"))


def test_sql_server_without_its_packages_is_a_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[databases.__module__], "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"DC_DATABASE_DATA_URL: SQL Server needs .*: make install EXTRA=mssql"):
        databases(settings("sqlite:////a", "mssql://dc@db.example.com/stock"))
