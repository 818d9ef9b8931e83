"""`manage.py secrets` and the encrypted file of settings, with real processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from apps.core.encryption.keys import Key, parse_keys
from config.secret_loader import SecretLoader
from config.settings.reading import BASE_DIR

PASSPHRASE = "correct horse battery"
Environment = dict[str, str]


@pytest.fixture
def clean(tmp_path: Path) -> Environment:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
    return {**outer, "DC_PROFILE": "test", "DC_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def sealed(clean: Environment, tmp_path: Path) -> Environment:
    """With an encrypted file, which holds a port and a token."""
    path = tmp_path / "settings.enc"
    SecretLoader(path).write("DC_WEB_PORT=8123\nDC_SPLUNK_TOKEN=canary-token\n", PASSPHRASE, n=16)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    return {**clean, "DC_SECRETS_PATH": str(path), "DC_SECRETS_PASSPHRASE_FILE": str(tmp_path / "passphrase")}


def manage(environment: Environment, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=BASE_DIR,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_encrypted_file_comes_after_the_environment_and_before_the_defaults(sealed: Environment) -> None:
    shown = json.loads(manage({**sealed, "DC_WEB_HOST": "::1"}, "config", "--json").stdout)
    assert shown["DC_WEB_PORT"] == {"value": 8123, "origin": "settings.enc"}
    assert shown["DC_SPLUNK_TOKEN"] == {"value": "******", "origin": "settings.enc"}
    assert shown["DC_WEB_HOST"]["origin"] == "environment"
    assert shown["DC_LOG_LEVEL"]["origin"] == "default"
    again = json.loads(manage({**sealed, "DC_WEB_PORT": "8124"}, "config", "--json").stdout)
    assert again["DC_WEB_PORT"] == {"value": 8124, "origin": "environment"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"DC_SECRETS_PASSPHRASE_FILE": ""},
            "DC_SECRETS_PASSPHRASE: not set, but there is an encrypted file of settings,",
        ),
        (
            {"DC_SECRETS_PASSPHRASE": "a wrong passphrase"},
            "does not open: the passphrase is wrong, or the file was changed.",
        ),
        ({"DC_SECRETS_PATH": str(BASE_DIR / "README.md")}, "is damaged, or no encrypted file of settings."),
        ({"DC_SECRETS_PATH": "/no/such/file"}, "cannot be read: no such file or directory."),
    ],
    ids=["no passphrase", "wrong passphrase", "another file", "no file"],
)
def test_what_is_wrong_with_it_is_one_line_and_exit_code_2(sealed: Environment, change: Environment, said: str) -> None:
    done = manage({**sealed, **change}, "check")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert said in line
    assert "canary" not in done.stdout + done.stderr


def test_what_opens_the_file_cannot_be_inside_of_it(sealed: Environment) -> None:
    SecretLoader(Path(sealed["DC_SECRETS_PATH"])).write("DC_SECRETS_PASSPHRASE=canary-phrase\n", PASSPHRASE, n=16)
    done = manage(sealed, "check")
    assert done.returncode == 2
    assert done.stderr.startswith("DC_SECRETS_PASSPHRASE: is inside of settings.enc")


def test_production_reads_the_key_it_demands_from_the_file(clean: Environment, tmp_path: Path) -> None:
    lines = ("DC_SECRET_KEY=" + "k" * 50, "DC_DATABASE_URL=postgresql://dc@127.0.0.1:1/dc")
    plain = tmp_path / "plain.env"
    plain.write_text("\n".join(lines))
    production = {
        **clean,
        "DC_PROFILE": "production",
        "DC_SECRETS_PATH": str(tmp_path / "x.enc"),
        "DC_SECRETS_PASSPHRASE": PASSPHRASE,
    }
    refused = manage({**production, "DC_SECRETS_PATH": ""}, "manager")
    assert "DC_SECRET_KEY: not set; the production profile has no default key." in refused.stderr
    assert manage(production, "secrets", "encrypt", str(plain)).returncode == 0
    refused = manage(production, "manager")
    assert (refused.returncode, refused.stderr) == (
        2,
        "DC_SECRETS_KEYS: not set; the production profile has no default (`manage.py secrets key` makes a key).\n",
    )


def test_the_embedded_profile_makes_its_own_key_once(clean: Environment, tmp_path: Path) -> None:
    embedded = {**clean, "DC_PROFILE": "embedded"}
    assert manage(embedded, "check").returncode == 0
    file = tmp_path / "data" / "secrets-keys"
    made = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(parse_keys(made)) == 1
    file.chmod(0o644)
    warned = manage(embedded, "check")
    assert f"(dc.W004) {file} holds secrets and can be read by other users" in warned.stderr
    assert file.read_text() == made
    file.write_text("damaged\n")
    told = manage(embedded, "check")
    assert told.returncode == 1
    assert "(dc.E007)" in told.stderr
    assert "Traceback" not in told.stderr


def test_check_says_which_settings_are_in_the_file_and_no_more(sealed: Environment) -> None:
    assert manage(sealed, "migrate", "--verbosity", "0").returncode == 0
    done = manage(sealed, "secrets", "check")
    assert done.returncode == 0, done.stderr
    assert "settings.enc opens. In force from it: DC_SPLUNK_TOKEN, DC_WEB_PORT." in done.stdout
    assert "Everything opens." in done.stdout
    assert "canary" not in done.stdout
    damaged = manage({**sealed, "DC_SECRETS_KEYS": f"{Key.new().as_text()},rubbish"}, "secrets", "check")
    assert damaged.returncode == 1
    assert (
        damaged.stderr == "CommandError: Key number 2 is no key: it should be 43 characters, as `secrets key` prints.\n"
    )
