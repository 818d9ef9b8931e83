"""Where the encrypted file of settings is and what opens it. Outside `config.settings`: needed before there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import SettingsError

BASE_DIR = Path(__file__).resolve().parent.parent
PATH, PASSPHRASE = "DC_SECRETS_PATH", "DC_SECRETS_PASSPHRASE"
USUAL_FILE = BASE_DIR / "secrets.env.enc"


@dataclass(frozen=True, slots=True)
class Where:
    """The file, and the passphrase as far as it is set."""

    path: Path
    is_named: bool
    passphrase: str | None = field(repr=False)
    """None: not set."""


def find_file(places: Sequence[Mapping[str, str]]) -> Where:
    """What these places (the environment, `.env`) say of the file, the first one winning. Raises `SettingsError`."""
    path, passphrase = _first(places, PATH), _first(places, PASSPHRASE)
    named = BASE_DIR / Path(path).expanduser() if path else None
    return Where(named or USUAL_FILE, named is not None, passphrase)


def _first(places: Sequence[Mapping[str, str]], name: str) -> str | None:
    for place in places:
        value, file = place.get(name, "").strip(), place.get(f"{name}_FILE", "").strip()
        if value:
            return value
        if file:
            return _content(name, BASE_DIR / Path(file).expanduser())
    return None


def _content(name: str, path: Path) -> str:
    """The text in a file. What is wrong is said without its path: people paste the secret itself there."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text"
        raise SettingsError(f"{name}_FILE: cannot use the file it names: {reason.lower()}.") from None
    if not text:
        raise SettingsError(f"{name}_FILE: cannot use the file it names: it is empty.")
    return text
