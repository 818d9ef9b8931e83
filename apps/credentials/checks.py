"""System check: values in the database that the key ring does not open."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import DatabaseError

from apps.core.encryption.keys import EncryptionError
from apps.core.encryption.ring import current_ring
from apps.credentials.selectors import encrypted_columns, keys_in_use


def register_all() -> None:
    """Hand the check to Django; called once, when the Django app is ready."""
    checks.register(check_stored_keys, Tags.database)


def check_stored_keys(*, databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """One error for each key that stored values need and the ring does not have. Reads tables, so only on request."""
    needed: dict[str, int] = {}
    for column in encrypted_columns():
        if column.alias in (databases or ()):
            try:
                counts = keys_in_use(column) if column.exists() else {}
            except DatabaseError:
                continue  # before the migration that adds the column
            for key_id, count in counts.items():
                needed[key_id] = needed.get(key_id, 0) + count
    return [_error(key_id, count) for key_id, count in sorted(needed.items()) if not _is_there(key_id)]


def _is_there(key_id: str) -> bool:
    try:
        return key_id in current_ring()
    except EncryptionError:
        return False


def _error(key_id: str, count: int) -> CheckMessage:
    values = "1 secret" if count == 1 else f"{count} secrets"
    if not key_id:
        return Error(
            f"{values} in the database cannot be decrypted: what stands there is no encrypted value.",
            hint="`manage.py secrets check` names the rows; enter their secrets again.",
            id="credentials.E002",
        )
    return Error(
        f"{values} in the database cannot be decrypted: the key {key_id} is missing.",
        hint="Put that key back into DC_SECRETS_KEYS, or its file, or enter the secrets again.",
        id="credentials.E001",
    )
