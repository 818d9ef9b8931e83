"""Every check is seen to speak, and to be silent where there is nothing to say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.checks import ALWAYS, DEPLOY, TABLES, check_settings
from config.settings.env import read_settings
from config.settings.groups import known_variables
from config.settings.reading import BASE_DIR, Layer

SANE = {
    "DC_PROFILE": "production",
    "DC_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "DC_SECRETS_KEYS": "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtISE",
    "DC_ALLOWED_HOSTS": "collector.example.com",
    "DC_PUBLIC_URL": "https://collector.example.com",
    "DC_DATABASE_URL": "postgresql://dc:pa55word@db.example.com/dc",
    "DC_BROKER_URL": "amqp://dc:pa55word@mq.example.com/dc",
    "DC_REDIS_URL": "redis://:pa55word@redis.example.com/0",
    "DC_WEB_BEHIND_PROXY": "yes",
    "DC_WEB_PROXY_COUNT": "1",
}


@pytest.fixture
def sane(tmp_path: Path) -> dict[str, str]:
    return {**SANE, "DC_DATA_DIR": str(tmp_path)}


def ids(environment: dict[str, str]) -> list[str]:
    settings = read_settings([Layer("environment", {k: v for k, v in environment.items() if v})])
    messages = check_settings(settings, dict.fromkeys((*ALWAYS, *TABLES, *DEPLOY)))
    assert all(message.hint for message in messages)
    return sorted(str(message.id) for message in messages)


def test_sane_settings_raise_nothing(sane: dict[str, str]) -> None:
    assert ids(sane) == []


def test_the_embedded_default_raises_nothing(tmp_path: Path) -> None:
    assert ids({"DC_DATA_DIR": str(tmp_path)}) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"DC_WEB_PROT": "1"}, ["dc.W001"]),
        ({"DC_PUBLIC_URL": "https://other.example.com"}, ["dc.W002"]),
        ({"DC_SOURCES_PATH": "/no/such/folder"}, ["dc.W005"]),
        ({"DC_DATABASE_URL": "sqlite:////srv/dc.sqlite3"}, ["dc.W006"]),
        ({"DC_PUBLIC_URL": ""}, ["dc.W007"]),
        ({"DC_PUBLIC_URL": "http://collector.example.com"}, ["dc.W008"]),
        ({"DC_WEB_HTTPS": "no"}, ["dc.W009"]),
        ({"DC_WEB_BEHIND_PROXY": "no"}, ["dc.W010"]),
        ({"DC_WEB_PROXY_COUNT": "0"}, ["dc.W011"]),
        ({"DC_ALLOWED_HOSTS": "*"}, ["dc.E001"]),
        ({"DC_BROKER_URL": ""}, ["dc.E002"]),
        ({"DC_BROKER_URL": "memory://"}, ["dc.E003"]),
        ({"DC_REDIS_URL": ""}, ["dc.E004"]),
        ({"DC_DATA_DIR": "/dev/null/data"}, ["dc.E005"]),
        ({"DC_SECRETS_KEYS": ""}, ["dc.E006"]),
        ({"DC_SECRETS_KEYS": "no key"}, ["dc.E007"]),
        ({"DC_SECRETS_KEYS": "# nothing"}, ["dc.E007"]),
    ],
)
def test_one_wrong_setting_raises_one_message(
    sane: dict[str, str], change: dict[str, str], expected: list[str]
) -> None:
    assert ids({**sane, **change}) == expected


@pytest.mark.parametrize(("host", "expected"), [("0.0.0.0", ["dc.W003"]), ("::1", []), ("localhost", [])])  # noqa: S104
def test_the_embedded_profile_listens_on_this_machine_alone(tmp_path: Path, host: str, expected: list[str]) -> None:
    assert [i for i in ids({"DC_WEB_HOST": host, "DC_DATA_DIR": str(tmp_path)}) if i != "dc.W002"] == expected


@pytest.mark.parametrize(("mode", "expected"), [(0o600, []), (0o640, ["dc.W004"]), (0o604, ["dc.W004"])])
def test_a_secret_file_is_for_its_owner_alone(
    sane: dict[str, str], tmp_path: Path, mode: int, expected: list[str]
) -> None:
    file = tmp_path / "key"
    file.write_text(sane.pop("DC_SECRET_KEY"))
    file.chmod(mode)

    assert ids({**sane, "DC_SECRET_KEY_FILE": str(file)}) == expected


def test_the_kept_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("k" * 64)
    (tmp_path / "secret-key").chmod(0o644)

    assert ids({"DC_DATA_DIR": str(tmp_path)}) == ["dc.W004"]


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        (SANE["DC_SECRETS_KEYS"], 0o600, []),
        (SANE["DC_SECRETS_KEYS"], 0o644, ["dc.W004"]),
        (SANE["DC_SECRETS_KEYS"][:-3], 0o600, ["dc.E007"]),
        ("\udcff", 0o600, ["dc.E007"]),
    ],
    ids=["good", "readable by others", "cut off", "no text"],
)
def test_the_kept_keys_are_whole_and_for_their_owner_alone(
    tmp_path: Path, text: str, mode: int, expected: list[str]
) -> None:
    file = tmp_path / "secrets-keys"
    file.write_text(text, errors="surrogateescape")
    file.chmod(mode)

    assert ids({"DC_DATA_DIR": str(tmp_path)}) == expected


def test_damaged_keys_are_told_without_the_keys(sane: dict[str, str]) -> None:
    key = SANE["DC_SECRETS_KEYS"]
    settings = read_settings([Layer("environment", {**sane, "DC_SECRETS_KEYS": f"{key}, {key[:-4]}"})])

    [message] = check_settings(settings, ALWAYS)

    assert str(message.msg).startswith("DC_SECRETS_KEYS cannot be used: Key number 2 is no key")
    assert key[:8] not in str(message)


def test_an_unknown_name_comes_with_the_known_one() -> None:
    settings = read_settings([Layer("environment", {"DC_WEB_PROT": "1"})])

    assert [message.hint for message in check_settings(settings, ALWAYS)] == ["Did you mean DC_WEB_PORT?"]


def test_every_check_is_documented() -> None:
    code = "".join((BASE_DIR / "config" / name).read_text("utf-8") for name in ("checks.py", "security_checks.py"))
    page = (BASE_DIR / "docs/settings.md").read_text("utf-8")

    declared = set(re.findall(r'id="(dc\.[EW]\d{3})"', code))

    assert declared
    assert declared == set(re.findall(r"dc\.[EW]\d{3}", page))


def test_every_setting_is_documented() -> None:
    page = (BASE_DIR / "docs/settings.md").read_text("utf-8")

    assert set(re.findall(r"^\| `(DC_\w+)`(?: \*)? \|", page, re.MULTILINE)) == set(known_variables())


def test_production_passes_django_s_own_checks_without_a_database(sane: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}

    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=BASE_DIR,
        env={**environment, **sane},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_config_prints_no_secret_in_production(sane: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}

    done = subprocess.run(
        [sys.executable, "manage.py", "config", "--json"],
        cwd=BASE_DIR,
        env={**environment, **sane},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert json.loads(done.stdout)["DC_BROKER_URL"] == {
        "value": "amqp://******@mq.example.com/dc",
        "origin": "environment",
    }
    assert "pa55word" not in done.stdout
    assert sane["DC_SECRET_KEY"] not in done.stdout
