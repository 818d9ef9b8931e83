"""`manage.py config`, read by a person and by a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings.groups import known_variables
from config.settings.reading import BASE_DIR


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
    return {**outer, "DC_PROFILE": "test", "DC_DATA_DIR": str(tmp_path)}


def config(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "config", *options],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_prints_every_setting_in_80_columns(clean: dict[str, str]) -> None:
    clean["DC_DATABASE_URL"] = f"postgresql://dc:Pa55word@{'db.' * 30}example.com:5432/dc"

    done = config(clean)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {word for line in lines for word in line.split() if word in known_variables()} == set(known_variables())
    assert [line for line in lines if len(line) > 80] == []
    assert "Pa55word" not in done.stdout


def test_it_says_where_each_value_came_from(clean: dict[str, str]) -> None:
    shown = json.loads(config({**clean, "DC_WEB_PORT": "8001"}, "--json").stdout)

    assert shown["DC_WEB_PORT"] == {"value": 8001, "origin": "environment"}
    assert shown["DC_WEB_HOST"] == {"value": "127.0.0.1", "origin": "default"}
    assert shown["DC_DATABASE_URL"]["origin"] == "profile test"
    assert shown["DC_SECRET_KEY"] == {"value": "******", "origin": "profile test"}


def test_check_is_content_with_good_settings(clean: dict[str, str]) -> None:
    done = config(clean, "--check")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "The settings of the profile test are fine.\n"


def test_check_says_what_is_wrong_and_fails(clean: dict[str, str]) -> None:
    done = config({**clean, "DC_WEB_PROT": "1"}, "--check")

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "dc.W001 DC_WEB_PROT is not a setting; nothing reads it.",
        "        Did you mean DC_WEB_PORT?",
    ]


def test_check_in_production_knows_the_deployment_checks(clean: dict[str, str]) -> None:
    production = {
        "DC_PROFILE": "production",
        "DC_SECRET_KEY": "k" * 50,
        "DC_SECRETS_KEYS": "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtISE",
        "DC_DATABASE_URL": "sqlite:////srv/dc.sqlite3",
        "DC_BROKER_URL": "amqp://mq/x",
        "DC_REDIS_URL": "redis://r/0",
    }

    done = config({**clean, **production}, "--check")

    assert done.returncode == 1
    assert [line.split()[0] for line in done.stderr.splitlines() if line.startswith("dc.")] == [
        "dc.W006",
        "dc.W007",
        "dc.W010",
    ]


def test_a_value_that_cannot_be_read_is_a_line_and_exit_code_2(clean: dict[str, str]) -> None:
    done = config({**clean, "DC_RUN_SLOTS": "many"}, "--check")

    assert done.returncode == 2
    assert done.stderr == 'DC_RUN_SLOTS: should be a whole number from 1 to 1000, not "many" (from environment).\n'
