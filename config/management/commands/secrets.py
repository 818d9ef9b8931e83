"""`manage.py secrets`: keys, secrets in tables, and the encrypted file of settings (docs/secrets.md)."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.core.encryption.keys import EncryptionError, Key, keys_as_text
from apps.core.encryption.ring import current_ring, keys_file
from apps.credentials.rotation import Rotated, rotate, unreadable, usage
from config.secret_loader import replace_file
from config.secret_place import PATH, USUAL_FILE
from config.secret_verbs import add_verbs
from config.settings.env import get_settings


class Command(BaseCommand):
    """The other verbs are done before there are settings: `config/secret_verbs.py`."""

    help = "Secrets: keys, what is encrypted in tables, the encrypted file of settings. docs/secrets.md has examples."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_verbs(parser)

    def handle(self, *_: Any, verb: str, **options: Any) -> None:
        try:
            if verb == "rotate":
                self._rotate(new_key=options["new_key"], retire=options["retire"])
            elif verb == "check":
                self._check()
            else:
                raise CommandError(f"Type it: manage.py secrets {verb}")
        except EncryptionError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {str(error).strip().partition(chr(10))[0]}") from None

    # -- Tables -------------------------------------------------------------------------------------------------------

    def _rotate(self, *, new_key: bool, retire: bool) -> None:
        if new_key:
            self._write_keys([Key.new(), *current_ring().keys])
            _note("keys.added", current_ring().first.id)
            self.stdout.write(
                f"The key {current_ring().first.id} is the first one now. Back the file up: {keys_file()}"
            )
        done = rotate()
        _note("secrets.rotated", current_ring().first.id, count=done.count, unreadable=len(done.unreadable))
        values = "1 secret was" if done.count == 1 else f"{done.count} secrets were"
        self.stdout.write(f"{values} re-encrypted with the key {current_ring().first.id}.")
        self._refuse(done)
        if retire:
            self._retire()

    def _refuse(self, done: Rotated) -> None:
        for value in done.unreadable:
            self.stderr.write(str(value))
        if done.unreadable:
            raise CommandError(f"{len(done.unreadable)} cannot be decrypted and were left as they are.")

    def _retire(self) -> None:
        used = {key_id for counts in usage().values() for key_id in counts}
        ring = current_ring()
        kept = [key for key in ring.keys if key == ring.first or key.id in used]
        gone = [key.id for key in ring.keys if key not in kept]
        if gone:
            self._write_keys(kept)
            _note("keys.retired", ", ".join(gone))
        self.stdout.write(f"Taken out of the ring: {', '.join(gone)}." if gone else "No key is left over.")

    def _write_keys(self, keys: list[Key]) -> None:
        path = keys_file()
        if path is None:
            raise CommandError(
                "The keys are in DC_SECRETS_KEYS and not in a file: change them there (docs/secrets.md)."
            )
        try:
            replace_file(Path(path), keys_as_text(keys).encode())
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            raise CommandError(f"{path} cannot be written: {reason}. Change the keys there by hand.") from None

    # -- Looking ------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        self._show_file()
        ring = current_ring()
        self.stdout.write(f"Keys: {', '.join(key.id for key in ring.keys)} (the first one encrypts)")
        for column, counts in usage().items():
            shown = ", ".join(f"{count} under {key_id or 'no key'}" for key_id, count in sorted(counts.items()))
            self.stdout.write(f"  {column}: {shown or 'nothing'}")
        faults = 0
        for value in unreadable():
            self.stderr.write(str(value))
            faults += 1
        if faults:
            raise CommandError(f"{faults} cannot be decrypted.")
        self.stdout.write("Everything opens.")

    def _show_file(self) -> None:
        settings = get_settings()
        path = settings.secrets.path or USUAL_FILE
        if not path.exists():
            self.stdout.write(f"There is no encrypted file of settings ({PATH} or {USUAL_FILE.name}).")
            return
        names = sorted(name for name, origin in settings.origins.items() if origin == path.name)
        self.stdout.write(f"{path} opens. In force from it: {', '.join(names) or 'nothing'}.")


def _note(action: str, key_ids: str, **numbers: int) -> None:
    """By the names of keys, which are no part of them."""
    record(action, key_ids, source=AuditEntry.SHELL, now=utc_now(), **numbers)
