"""The encrypted file as a place where settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import SettingsError
from config.secret_loader import SecretLoader
from config.settings.encrypted import secrets_layer
from config.settings.env import Settings, read_settings
from config.settings.reading import BASE_DIR, Layer

PASSPHRASE = "correct horse battery"


@pytest.fixture
def sealed(tmp_path: Path) -> dict[str, str]:
    """An environment with an encrypted file, which holds a port and a token."""
    path = tmp_path / "settings.enc"
    SecretLoader(path).write("DC_WEB_PORT=8123\nDC_SPLUNK_TOKEN=canary-token\n", PASSPHRASE, n=16)
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    return {"DC_SECRETS_PATH": str(path), "DC_SECRETS_PASSPHRASE_FILE": str(tmp_path / "passphrase")}


def read(environment: dict[str, str]) -> Settings:
    layers = [Layer("environment", environment)]
    layer = secrets_layer(layers, is_test=True)
    return read_settings([*layers, layer] if layer else layers)


def test_it_comes_after_the_environment_and_before_the_defaults(sealed: dict[str, str]) -> None:
    settings = read({**sealed, "DC_WEB_HOST": "::1"})
    assert (settings.web.port, settings.web.host, settings.run.slots) == (8123, "::1", 4)
    assert settings.splunk.token is not None
    assert settings.splunk.token.get_secret_value() == "canary-token"
    assert settings.origins["DC_WEB_PORT"] == "settings.enc"
    assert settings.origins["DC_WEB_HOST"] == "environment"
    assert read({**sealed, "DC_WEB_PORT": "8124"}).web.port == 8124


def test_what_is_no_setting_is_told_from_there_too(sealed: dict[str, str]) -> None:
    SecretLoader(Path(sealed["DC_SECRETS_PATH"])).write("DC_WEB_PROT=1\n", PASSPHRASE, n=16)
    assert read(sealed).unknown == {"DC_WEB_PROT": "DC_WEB_PORT"}


def test_tests_read_no_file_that_is_not_named() -> None:
    assert secrets_layer([Layer("environment", {})], is_test=True) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"DC_SECRETS_PASSPHRASE_FILE": ""}, "DC_SECRETS_PASSPHRASE: not set, but there is an encrypted file"),
        (
            {"DC_SECRETS_PASSPHRASE": "a wrong passphrase"},
            "does not open: the passphrase is wrong, or the file was changed.",
        ),
        ({"DC_SECRETS_PATH": str(BASE_DIR / "README.md")}, "is damaged, or no encrypted file of settings."),
        ({"DC_SECRETS_PATH": "/no/such/file"}, "cannot be read: no such file or directory."),
    ],
    ids=["no passphrase", "wrong passphrase", "another file", "no file"],
)
def test_what_is_wrong_with_it_is_one_line(sealed: dict[str, str], change: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read({**sealed, **change})
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["DC_SECRETS_PASSPHRASE", "DC_SECRETS_PASSPHRASE_FILE", "DC_SECRETS_PATH"])
def test_what_opens_the_file_cannot_be_inside_of_it(sealed: dict[str, str], name: str) -> None:
    SecretLoader(Path(sealed["DC_SECRETS_PATH"])).write(f"{name}=canary-phrase\n", PASSPHRASE, n=16)
    with pytest.raises(SettingsError, match=f"{name}: is inside of settings.enc") as caught:
        read(sealed)
    assert "canary" not in str(caught.value)
