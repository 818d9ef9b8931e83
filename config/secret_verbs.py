"""The verbs of `manage.py secrets` that need no settings: a new key, and the encrypted file of settings."""

from __future__ import annotations

import argparse
import getpass
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from apps.core.encryption.keys import Key
from config.errors import SettingsError
from config.secret_loader import CBC, GCM, SecretFileError, SecretLoader
from config.secret_place import BASE_DIR, PASSPHRASE, Where, find_file

#: A folder in memory: nothing in it reaches a disk, unless the machine swaps.
MEMORY = Path("/dev/shm")  # noqa: S108 - that is what it is for


#: Told what was done to which file, and what opens it now.
Note = Callable[[str, Path, str], None]


class CannotObey(Exception):
    """What was asked for cannot be done; the message says why."""


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """What can be typed after `manage.py secrets`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="key|encrypt|decrypt|edit|rotate|check")
    verbs.add_parser("key", help="print a new key for DC_SECRETS_KEYS")
    encrypt = verbs.add_parser("encrypt", help="make the encrypted file of settings from a plain one")
    encrypt.add_argument("source", help="a file of lines NAME=value; - is stdin")
    encrypt.add_argument("--gcm", action="store_true", help="AES-256-GCM instead of AES-256-CBC with HMAC-SHA256")
    encrypt.add_argument("--force", action="store_true", help="replace the file that is there")
    verbs.add_parser("decrypt", help="print what is in the encrypted file")
    verbs.add_parser("edit", help="open the encrypted file in $EDITOR")
    rotate = verbs.add_parser("rotate", help="re-encrypt the secrets in tables with the first key")
    rotate.add_argument("--new-key", action="store_true", help="put a new key in front of the ring first")
    rotate.add_argument("--retire", action="store_true", help="then take the keys that nothing needs out of the ring")
    rotate.add_argument("--file", action="store_true", help="instead: give the encrypted file another passphrase")
    rotate.add_argument("--new-passphrase-file", type=Path, metavar="FILE", help="with --file: holds the new one")
    verbs.add_parser("check", help="does everything open? exit code 1 when not")


def is_before_settings(words: Sequence[str]) -> bool:
    """Whether these words name a verb that has to work without settings."""
    verb = next((word for word in words if not word.startswith("-")), "")
    return verb in _VERBS and (verb != "rotate" or "--file" in words)


@dataclass(frozen=True, slots=True)
class Written:
    """What was done to the file, in the words of the audit, and what opens it now."""

    action: str
    path: Path
    passphrase: str = field(repr=False)


def obey(words: Sequence[str], note: Note | None = None) -> int:
    """Do what the words say, tell `note` of it where the file was written, and return the exit code."""
    parser = argparse.ArgumentParser(prog="manage.py secrets")
    add_verbs(parser)
    options = parser.parse_args(words)
    try:
        written = _VERBS[options.verb](options)
    except (CannotObey, SecretFileError, SettingsError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command before there are commands
        return 1
    except KeyboardInterrupt:
        return 130
    if written is not None and note is not None:
        note(written.action, written.path, written.passphrase)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _where() -> Where:
    plain = {name: value or "" for name, value in dotenv_values(BASE_DIR / ".env", interpolate=False).items()}
    places: list[Mapping[str, str]] = [os.environ, plain]
    return find_file(places[:1] if os.environ.get("DC_PROFILE") == "test" else places)


def _key(_options: argparse.Namespace) -> None:
    _say(Key.new().as_text())


def _encrypt(options: argparse.Namespace) -> Written:
    where = _where()
    if where.path.exists() and not options.force:
        raise CannotObey(f"{where.path} is there already: `secrets edit` changes it, --force replaces it.")
    text = sys.stdin.read() if options.source == "-" else _read(Path(options.source))
    passphrase = where.passphrase or _asked_twice("Passphrase: ")
    SecretLoader(where.path).write(text, passphrase, cipher=GCM if options.gcm else CBC)
    _say(f"{where.path} is encrypted. Remove the plain text.")
    return Written("settings_file.encrypted", where.path, passphrase)


def _decrypt(_options: argparse.Namespace) -> None:
    where = _where()
    sys.stdout.write(SecretLoader(where.path).read(_passphrase(where)))


def _edit(_options: argparse.Namespace) -> Written | None:
    where = _where()
    loader, passphrase = SecretLoader(where.path), _passphrase(where)
    before = loader.read(passphrase)
    if not os.access(MEMORY, os.W_OK):
        raise CannotObey(f"There is no folder in memory ({MEMORY}): use decrypt and encrypt, where the disk is yours.")
    with tempfile.TemporaryDirectory(prefix="dc-secrets-", dir=MEMORY) as folder:
        draft = Path(folder) / "settings.env"
        draft.touch(mode=0o600)
        draft.write_text(before, encoding="utf-8")
        while not _is_taken(loader, passphrase, draft, before):
            pass
    is_changed = loader.read(passphrase) != before
    return Written("settings_file.edited", where.path, passphrase) if is_changed else None


def _is_taken(loader: SecretLoader, passphrase: str, draft: Path, before: str) -> bool:
    """One round of editing. False when the person wants another one."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        done = subprocess.run([*editor, str(draft)], check=False)
    except OSError as error:
        raise CannotObey(f"{editor[0]} cannot be started: {error.strerror}. Name another in EDITOR.") from None
    if done.returncode:
        raise CannotObey(f"{editor[0]} ended with code {done.returncode}; the file is as it was.")
    text = _read(draft)
    if text == before:
        _say("Nothing was changed.")
        return True
    try:
        loader.write(text, passphrase, cipher=loader.cipher())
    except SecretFileError as error:
        if sys.stdin.isatty() and input(f"{error} Edit again? [Y/n] ").strip().lower() != "n":
            return False
        raise
    _say(f"{loader.path} is encrypted. Processes read it when they start.")
    return True


def _rotate_file(options: argparse.Namespace) -> Written:
    if options.new_key or options.retire:
        raise CannotObey("--file is about the passphrase of the file: leave out --new-key and --retire.")
    where = _where()
    loader = SecretLoader(where.path)
    text, cipher = loader.read(_passphrase(where)), loader.cipher()
    file: Path | None = options.new_passphrase_file
    passphrase = _read(file).strip() if file else _asked_twice("New passphrase: ")
    loader.write(text, passphrase, cipher=cipher)
    _say(f"{where.path} has another passphrase. Set {PASSPHRASE} before anything is started again.")
    return Written("settings_file.passphrase_changed", where.path, passphrase)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text"
        raise CannotObey(f"{path} cannot be read: {reason.lower()}.") from None


def _passphrase(where: Where) -> str:
    return where.passphrase or _ask("Passphrase: ")


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise CannotObey(f"{PASSPHRASE} is not set, and there is no terminal to ask at.")
    return getpass.getpass(prompt)


def _asked_twice(prompt: str) -> str:
    first = _ask(prompt)
    if getpass.getpass("Again: ") != first:
        raise CannotObey("The two are not the same.")
    return first


_VERBS: dict[str, Callable[[argparse.Namespace], Written | None]] = {
    "key": _key,
    "encrypt": _encrypt,
    "decrypt": _decrypt,
    "edit": _edit,
    "rotate": _rotate_file,
}
