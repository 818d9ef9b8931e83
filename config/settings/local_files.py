"""What the profiles of one machine keep in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from apps.core.encryption.keys import Key, keys_as_text
from config.errors import SettingsError
from config.settings.env import SHORTEST_KEY

#: In the data folder: the key ring of an installation that was given none.
KEPT_KEYS = "secrets-keys"


def made_folder(path: Path) -> Path:
    """The folder, made if need be. Raises `SettingsError`."""
    try:
        # Sessions, password hashes, collected rows: nothing of it is other people's business.
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DC_DATA_DIR: the folder {path} cannot be made: {_reason(error)}.") from None
    return path


def kept_secret(path: Path) -> str:
    """The key in `path`, made on first use. Processes that start together agree: only one link() succeeds.

    Raises `SettingsError`, which never holds the key.
    """
    try:
        if not path.exists():
            _make_secret(path, secrets.token_urlsafe(64))
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"DC_SECRET_KEY: not set, and the key in {path} cannot be made or read: {_reason(error)}."
        ) from None
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"DC_SECRET_KEY: the key in {path} is too short; delete the file and a new one is made.")
    return key


def kept_keys(path: Path) -> Path:
    """The file of the key ring at `path`, made with one key on first use. Raises `SettingsError`."""
    try:
        if not path.exists():
            _make_secret(path, keys_as_text([Key.new()]))
    except OSError as error:
        raise SettingsError(f"DC_SECRETS_KEYS: not set, and {path} cannot be made: {_reason(error)}.") from None
    return path


def _make_secret(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    try:
        draft.write_text(text, encoding="utf-8")
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first: its key counts
    finally:
        draft.unlink()


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
