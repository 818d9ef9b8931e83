"""Settings of Splunk and of retention: what is taken, and what a wrong value is told."""

from __future__ import annotations

import pytest

from config.errors import SettingsError
from config.settings.env import Settings, read_settings
from config.settings.reading import Layer


def read(**environment: str) -> Settings:
    return read_settings([Layer("environment", {f"DC_{name}": value for name, value in environment.items()})])


def complaint(**environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(**environment)
    return str(caught.value)


def test_without_settings_nothing_is_sent_and_retention_is_on() -> None:
    settings = read()

    assert settings.splunk.url is None
    assert (settings.retention.logs_days, settings.retention.runs_days, settings.retention.commands_days) == (
        *(90, 180, 365),
    )


@pytest.mark.parametrize("url", ["https://splunk.example:8088", "http://127.0.0.1:8088/", "https://x.example/hec"])
def test_an_address_of_splunk_is_taken_without_its_last_slash(url: str) -> None:
    assert read(SPLUNK_URL=url, SPLUNK_TOKEN="t").splunk.url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "splunk.example",
        "ftp://splunk.example",
        "https://splunk.example/services/collector",
        "https://u:p@splunk.example",
        "https://splunk.example?token=x",
    ],
)
def test_what_is_no_address_of_splunk_is_told_how_one_looks(url: str) -> None:
    said = complaint(SPLUNK_URL=url, SPLUNK_TOKEN="very-secret")

    assert "DC_SPLUNK_URL: should be an address such as https://splunk.example.com:8088" in said
    assert "very-secret" not in said
    assert "u:p" not in said


def test_an_address_without_a_token_is_incomplete() -> None:
    assert complaint(SPLUNK_URL="https://splunk.example:8088") == (
        "DC_SPLUNK_TOKEN: not set, but DC_SPLUNK_URL is; Splunk takes nothing without a token."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("RETENTION_LOGS_DAYS", "-1"), ("RETENTION_JOURNAL_DAYS", "0"), ("RETENTION_LOGS_MAX_ROWS", "many")],
)
def test_what_is_no_number_of_days_is_told_the_range(name: str, value: str) -> None:
    assert f"DC_{name}: should be a whole number from " in complaint(**{name: value})
