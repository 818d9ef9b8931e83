"""What `manage.py secrets` does before there are settings."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from apps.core.encryption.keys import parse_keys
from config import secret_loader
from config.secret_loader import CBC, GCM, SecretLoader
from config.secret_verbs import is_before_settings, obey

PASSPHRASE = "correct horse battery"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the encrypted file is to be; its passphrase is set, and scrypt is cheap."""
    path = tmp_path / "settings.enc"
    monkeypatch.setattr(secret_loader, "N", 16)
    monkeypatch.setenv("DC_SECRETS_PATH", str(path))
    monkeypatch.setenv("DC_SECRETS_PASSPHRASE", PASSPHRASE)
    return path


def plain(tmp_path: Path, text: str = "DC_WEB_PORT=8001\n") -> str:
    path = tmp_path / "plain.env"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("key", True),
        ("encrypt -", True),
        ("decrypt", True),
        ("edit", True),
        ("rotate --file", True),
        ("rotate", False),
        ("rotate --new-key", False),
        ("check", False),
        ("", False),
        ("--help", False),
    ],
)
def test_the_verbs_of_the_file_need_no_settings(words: str, expected: bool) -> None:
    assert is_before_settings(words.split()) is expected


def test_a_new_key_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert obey(["key"]) == 0
    first = capsys.readouterr().out
    assert obey(["key"]) == 0
    assert len(parse_keys(f"{first}{capsys.readouterr().out}")) == 2


@pytest.mark.parametrize(("options", "cipher"), [([], CBC), (["--gcm"], GCM)])
def test_a_plain_file_is_encrypted_and_printed_again(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], cipher: str
) -> None:
    assert obey(["encrypt", plain(tmp_path), *options]) == 0
    assert SecretLoader(file).cipher() == cipher
    assert f"{file} is encrypted. Remove the plain text." in capsys.readouterr().out
    assert obey(["decrypt"]) == 0
    assert capsys.readouterr().out == "DC_WEB_PORT=8001\n"


def test_a_file_that_is_there_is_replaced_only_when_told_so(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = plain(tmp_path)
    assert obey(["encrypt", source]) == 0
    assert obey(["encrypt", source]) == 1
    assert "is there already" in capsys.readouterr().err
    assert obey(["encrypt", plain(tmp_path, "DC_WEB_PORT=8002\n"), "--force"]) == 0
    assert SecretLoader(file).load(PASSPHRASE) == {"DC_WEB_PORT": "8002"}


def test_editing_goes_through_a_file_in_memory_that_is_gone_afterwards(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obey(["encrypt", plain(tmp_path), "--gcm"])
    seen = tmp_path / "seen"
    script = tmp_path / "editor.py"
    script.write_text(
        "import os, sys; from pathlib import Path; file = Path(sys.argv[1]);"
        f"Path({str(seen)!r}).write_text(f'{{file}} {{oct(file.stat().st_mode & 0o777)}} {{file.read_text()}}');"
        "file.write_text('DC_WEB_PORT=9\\n')"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    monkeypatch.delenv("VISUAL", raising=False)
    assert obey(["edit"]) == 0
    path, mode, *text = seen.read_text().split()
    assert path.startswith("/dev/shm/")  # noqa: S108
    assert not Path(path).parent.exists()
    assert (mode, text) == ("0o600", ["DC_WEB_PORT=8001"])
    assert SecretLoader(file).load(PASSPHRASE) == {"DC_WEB_PORT": "9"}
    assert SecretLoader(file).cipher() == GCM


@pytest.mark.parametrize(
    ("editor", "said"),
    [
        ("false", "false ended with code 1; the file is as it was."),
        ("/no/such/editor", "/no/such/editor cannot be started: No such file or directory."),
        ("sh -c 'echo broken line > $0'", "line 1 is not of the form NAME=value."),
    ],
)
def test_an_edit_that_fails_leaves_the_file_as_it_was(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    editor: str,
    said: str,
) -> None:
    obey(["encrypt", plain(tmp_path)])
    before = file.read_bytes()
    monkeypatch.setenv("VISUAL", editor)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert obey(["edit"]) == 1
    assert said in capsys.readouterr().err
    assert file.read_bytes() == before


def test_another_passphrase_comes_from_a_file(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    obey(["encrypt", plain(tmp_path)])
    new = tmp_path / "new"
    new.write_text("another long passphrase\n")
    assert obey(["rotate", "--file", "--new-passphrase-file", str(new)]) == 0
    assert SecretLoader(file).load("another long passphrase") == {"DC_WEB_PORT": "8001"}
    assert obey(["decrypt"]) == 1
    assert "does not open: the passphrase is wrong, or the file was changed." in capsys.readouterr().err
    assert obey(["rotate", "--file", "--retire"]) == 1
    assert "leave out --new-key and --retire" in capsys.readouterr().err


def test_what_is_missing_is_a_sentence(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert obey(["decrypt"]) == 1
    assert "cannot be read: no such file or directory" in capsys.readouterr().err
    assert obey(["encrypt", str(tmp_path / "none")]) == 1
    assert "none cannot be read: no such file or directory" in capsys.readouterr().err
    obey(["encrypt", plain(tmp_path)])
    monkeypatch.delenv("DC_SECRETS_PASSPHRASE")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert obey(["decrypt"]) == 1
    assert "DC_SECRETS_PASSPHRASE is not set, and there is no terminal to ask at." in capsys.readouterr().err
    monkeypatch.setenv("DC_SECRETS_PASSPHRASE_FILE", "the passphrase itself, pasted here")
    assert obey(["decrypt"]) == 1
    assert capsys.readouterr().err == (
        "DC_SECRETS_PASSPHRASE_FILE: cannot use the file it names: no such file or directory.\n"
    )
