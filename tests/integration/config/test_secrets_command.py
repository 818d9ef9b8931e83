"""`manage.py secrets` and the encrypted file of settings, with real processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from apps.accounts.models import AuditEntry
from apps.core.encryption.keys import parse_keys
from config.secret_audit import note
from config.secret_loader import SecretLoader
from config.secret_verbs import obey
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


def test_a_wrong_passphrase_is_one_line_and_exit_code_2(sealed: Environment) -> None:
    done = manage({**sealed, "DC_SECRETS_PASSPHRASE": "a wrong passphrase"}, "check")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.endswith("settings.enc does not open: the passphrase is wrong, or the file was changed.")


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
    assert manage(production, "secrets", "encrypt", str(plain)).returncode == 0
    replaced = manage(production, "secrets", "encrypt", str(plain), "--force")
    assert replaced.returncode == 0
    assert replaced.stderr.startswith("The audit trail has no entry of this: connection ")
    assert len(replaced.stderr.splitlines()) == 1
    refused = manage(production, "manager")
    assert (refused.returncode, refused.stderr) == (
        2,
        "DC_SECRETS_KEYS: not set; the production profile has no default (`manage.py secrets key` makes a key).\n",
    )


@pytest.mark.django_db
def test_what_is_done_to_the_file_stands_in_the_audit(
    sealed: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DC_SECRETS_PATH", "DC_SECRETS_PASSPHRASE_FILE"):
        monkeypatch.setenv(name, sealed[name])
    monkeypatch.setenv("DC_SECRETS_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("EDITOR", "sed -i s/8123/8124/")
    (tmp_path / "plain").write_text("DC_WEB_PORT=8123\n")
    (tmp_path / "new").write_text("another horse battery")

    assert obey(["encrypt", str(tmp_path / "plain"), "--force"], note) == 0
    assert [obey(["edit"], note) for _ in range(2)] == [0, 0]
    assert obey(["rotate", "--file", "--new-passphrase-file", str(tmp_path / "new")], note) == 0
    assert obey(["decrypt"], note) == 0

    entries = AuditEntry.objects.order_by("pk")
    # The second time there was nothing to edit.
    assert [entry.action for entry in entries] == [
        "settings_file.encrypted",
        "settings_file.edited",
        "settings_file.passphrase_changed",
    ]
    assert {(entry.source, entry.subject) for entry in entries} == {("SHELL", sealed["DC_SECRETS_PATH"])}
    # What happened when has digits of its own, and so have addresses in memory.
    kept = [{name: value for name, value in entry.items() if name != "at"} for entry in entries.values()]
    assert not any(word in str(kept) for word in ("8123", "8124", "horse"))


def test_the_embedded_profile_makes_its_own_key_once(clean: Environment, tmp_path: Path) -> None:
    embedded = {**clean, "DC_PROFILE": "embedded"}
    assert manage(embedded, "check").returncode == 0
    file = tmp_path / "data" / "secrets-keys"
    made = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(parse_keys(made)) == 1
    file.chmod(0o644)
    file.write_text("damaged\n")
    told = manage(embedded, "check")
    assert told.returncode == 1
    assert f"(dc.W004) {file} holds secrets and can be read by other users" in told.stderr
    assert f"(dc.E007) {file} cannot be used: Key number 1 is no key" in told.stderr
    assert "Traceback" not in told.stderr
    assert file.read_text() == "damaged\n"


def test_check_says_which_settings_are_in_the_file_and_no_more(sealed: Environment) -> None:
    done = manage(sealed, "secrets", "check")
    assert done.returncode == 0, done.stderr
    assert "settings.enc opens. In force from it: DC_SPLUNK_TOKEN, DC_WEB_PORT." in done.stdout
    assert "Everything opens." in done.stdout
    assert "canary" not in done.stdout
