"""The encrypted file of settings: its format, and everything that can be wrong with it."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from config.secret_loader import CBC, GCM, SecretFileError, SecretLoader

PASSPHRASE = "correct horse battery staple"
TEXT = "DC_WEB_PORT=8001\nexport DC_SPLUNK_TOKEN='canary $ token'\n# a remark\n"


@pytest.fixture(params=[CBC, GCM])
def loader(tmp_path: Path, request: pytest.FixtureRequest) -> SecretLoader:
    loader = SecretLoader(tmp_path / "secrets.env.enc")
    loader.write(TEXT, PASSPHRASE, cipher=request.param, n=16)
    return loader


def test_what_went_in_comes_out(loader: SecretLoader) -> None:
    assert loader.read(PASSPHRASE) == TEXT
    assert loader.load(PASSPHRASE) == {"DC_WEB_PORT": "8001", "DC_SPLUNK_TOKEN": "canary $ token"}


def test_the_file_is_text_that_shows_nothing_and_is_for_its_user(loader: SecretLoader) -> None:
    text = loader.path.read_text("ascii")
    assert text.startswith(f"DC-SECRETS 1\n{loader.cipher()} n=16 r=8 p=3 salt=")
    assert "canary" not in text
    assert "DC_" not in text
    assert stat.S_IMODE(loader.path.stat().st_mode) == 0o600
    assert [path.name for path in loader.path.parent.iterdir()] == ["secrets.env.enc"]


def test_two_files_of_one_text_have_nothing_in_common(loader: SecretLoader, tmp_path: Path) -> None:
    other = SecretLoader(tmp_path / "other.enc")
    other.write(TEXT, PASSPHRASE, cipher=loader.cipher(), n=16)
    assert other.path.read_text().splitlines()[2] != loader.path.read_text().splitlines()[2]


def test_a_wrong_passphrase_and_any_changed_character_get_an_error_and_never_a_text(loader: SecretLoader) -> None:
    with pytest.raises(SecretFileError) as wrong:
        loader.read(f"{PASSPHRASE}!")
    whole = loader.path.read_text()
    for place, character in enumerate(whole):
        if not character.isspace():
            loader.path.write_text(f"{whole[:place]}{'B' if character != 'B' else 'C'}{whole[place + 1 :]}")
            with pytest.raises(SecretFileError):
                loader.read(PASSPHRASE)
    # A changed salt and a changed text are told as a wrong passphrase is.
    for changed in (re.sub("salt=.", lambda found: "salt=" + ("1" if found[0][-1] != "1" else "2"), whole),):
        loader.path.write_text(changed)
        with pytest.raises(SecretFileError) as tampered:
            loader.read(PASSPHRASE)
        assert str(tampered.value) == str(wrong.value)


@pytest.mark.parametrize("length", [0, 5, 40, 150, -10])
def test_a_file_that_was_cut_off_is_an_error(loader: SecretLoader, length: int) -> None:
    loader.path.write_text(loader.path.read_text()[:length])
    with pytest.raises(SecretFileError):
        loader.read(PASSPHRASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DC-SECRETS 1", "DC-SECRETS 2"),
        ("n=16", "n=17"),
        ("n=16", "n=4294967296"),
        ("r=8", "r=0"),
        ("p=3", "p=999"),
        ("aes-256", "aes-512"),
        ("salt=", "salt=00"),
    ],
)
def test_a_header_that_asks_for_the_impossible_is_refused_before_it_costs_anything(
    loader: SecretLoader, old: str, new: str
) -> None:
    loader.path.write_text(loader.path.read_text().replace(old, new, 1))
    with pytest.raises(SecretFileError, match="is damaged, or no encrypted file of settings"):
        loader.read(PASSPHRASE)


def test_what_is_no_such_file_is_told(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(SecretFileError, match=said):
            SecretLoader(path).read(PASSPHRASE)
    (tmp_path / "odd").write_bytes(b"\xff\xfe" * 100)
    with pytest.raises(SecretFileError, match="is damaged"):
        SecretLoader(tmp_path / "odd").read(PASSPHRASE)


def test_it_refuses_a_short_passphrase_and_what_is_no_setting(tmp_path: Path) -> None:
    loader = SecretLoader(tmp_path / "x.enc")
    with pytest.raises(SecretFileError, match="too short: use at least 12"):
        loader.write(TEXT, "short", n=16)
    with pytest.raises(SecretFileError, match="line 2 is not of the form NAME=value") as caught:
        loader.write("DC_WEB_PORT=1\n'canary\n", PASSPHRASE, n=16)
    assert "canary" not in str(caught.value)
    assert not loader.path.exists()


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    loader: SecretLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    before = loader.path.read_text()
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SecretFileError, match="cannot be written: no space left on device"):
        loader.write("DC_WEB_PORT=1\n", PASSPHRASE, n=16)
    assert loader.path.read_text() == before
    assert len(list(loader.path.parent.iterdir())) == 1
