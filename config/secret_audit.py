"""What was done to the encrypted file of settings, in the audit trail: afterwards, with the settings it has now."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from config.errors import SettingsError
from config.secret_place import PASSPHRASE


def note(action: str, path: Path, passphrase: str) -> None:
    """Write the entry, or say that there is none: the file is often made before there is a database."""
    # This process ends here; nothing else is started with it.
    os.environ.pop(f"{PASSPHRASE}_FILE", None)
    os.environ[PASSPHRASE] = passphrase
    import django
    from django.apps import apps
    from django.core.exceptions import ImproperlyConfigured
    from django.db import DatabaseError

    try:
        if not apps.ready:
            django.setup()
        from apps.accounts.audit import record
        from apps.accounts.models import AuditEntry
        from apps.core.clock import utc_now

        record(action, str(path), source=AuditEntry.SHELL, now=utc_now())
    except (SettingsError, ImproperlyConfigured, DatabaseError) as error:
        reason = str(error).strip().partition("\n")[0]
        print(f"The audit trail has no entry of this: {reason}", file=sys.stderr)  # noqa: T201 - before commands
