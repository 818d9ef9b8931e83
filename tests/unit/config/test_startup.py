"""What a person sees who starts a process with a wrong setting."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.errors import SettingsError
from config.settings.local_files import kept_secret, made_folder
from config.settings.reading import BASE_DIR


def manage(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=BASE_DIR,
        env={**clean, "DC_PROFILE": "test", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_wrong_settings_are_lines_and_exit_code_2(tmp_path: Path) -> None:
    done = manage("check", DC_DATA_DIR=str(tmp_path), DC_WEB_PORT="abc", DC_RUN_SLOTS="0")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        'DC_WEB_PORT: should be a whole number from 1 to 65535, not "abc" (from environment).',
        'DC_RUN_SLOTS: should be a whole number from 1 to 1000, not "0" (from environment).',
    ]


def test_a_data_folder_that_cannot_be_made_is_a_line() -> None:
    done = manage("check", DC_DATA_DIR="/dev/null/data")

    assert done.returncode == 2
    assert done.stderr == "DC_DATA_DIR: the folder /dev/null/data cannot be made: not a directory.\n"


def test_runcollector_loads_the_one_room_it_needs(tmp_path: Path) -> None:
    code = (
        "import sys; from config.startup import prepare; prepare(sys.argv); import os, django; django.setup();"
        "from collectors.discovery import installed_rooms; print([c.room.info.code for c in installed_rooms()])"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
    environment = {**clean, "DC_PROFILE": "test", "DC_DATA_DIR": str(tmp_path)}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"

    done = subprocess.run(
        [sys.executable, "-c", code, "runcollector", "--limit", "1", "examples.shop.books"],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == "['examples.shop.books']"


def test_the_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret-key"

    key = kept_secret(file)

    assert len(key) >= 50
    assert kept_secret(file) == key
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_a_spoilt_key_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("short")

    with pytest.raises(SettingsError, match="delete the file and a new one is made"):
        kept_secret(tmp_path / "secret-key")


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from config.settings.local_files import kept_secret; print(kept_secret(Path({str(tmp_path / 'secret-key')!r})))"  # noqa: E501
    environment = {**os.environ, "DC_PROFILE": "test", "DC_DATA_DIR": str(tmp_path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    keys = {process.communicate(timeout=60)[0].strip() for process in processes}

    assert len(keys) == 1
    assert len(keys.pop()) >= 50


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    assert made_folder(tmp_path) == tmp_path
