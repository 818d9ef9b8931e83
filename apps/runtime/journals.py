"""Where journals lie, whose they are, and which secrets never reach them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from apps.logs.router import splunk_token
from apps.runtime.models import Runtime
from apps.runtime.process import ProcessIdentity, identify_self, is_gone, node_name
from collectors.toolkit.journal import Damage, Journal, Redactor, read_frames
from collectors.toolkit.journal.known import known
from collectors.toolkit.journal.service import service

#: The folder of the journals that belong to no run.
PLATFORM = "platform"


def journal_root() -> Path:
    """The folder of this machine's journals: one folder per run, and one for the platform's own processes."""
    return Path(settings.DC_DATA_DIR).absolute() / "journal"


def open_journal(run: Runtime, *, role: str = "collector") -> Journal:
    """A new journal of a run, written by this process. Raises `OSError`."""
    run_id, code = run.pk, run.app.code
    return Journal(
        journal_root() / run_id,
        about=lambda: {"runtime": run_id, "app": code, "role": role, **asdict(identify_self())},
        redactor=Redactor(known_secrets()),
        fsync=settings.DC_JOURNAL_FSYNC,
    )


@contextmanager
def platform_journal(role: str) -> Iterator[None]:
    """What this process says goes into a journal of the platform, for as long as the block lasts."""
    journal = Journal(
        journal_root() / PLATFORM,
        about=lambda: {"role": role, **asdict(identify_self())},
        redactor=Redactor(known_secrets()),
        fsync=settings.DC_JOURNAL_FSYNC,
    )
    try:
        with service.writing_to(journal):
            yield
    finally:
        journal.close()


def known_secrets() -> list[str]:
    """The values of this installation that must never be written anywhere, in every spelling that is known."""
    databases = [str(entry.get("PASSWORD") or "") for entry in settings.DATABASES.values()]
    addresses = [settings.CELERY_BROKER_URL, str(settings.CACHES["default"].get("LOCATION", ""))]
    passwords = [unquote(urlsplit(address).password or "") for address in addresses]
    tokens = [settings.DC_SPLUNK_TOKEN, splunk_token(), settings.EMAIL_HOST_PASSWORD]
    given = {settings.SECRET_KEY, *databases, *passwords, *tokens} - {""}
    return sorted(given | known.spellings())


def writer_is_dead(path: Path) -> bool:
    """Whether the process that wrote a journal of this machine has ended."""
    first = next(iter(read_frames(path, limit=64 * 1024).frames), None)
    if first is None or first.data.get("node") != node_name():
        return False
    about: dict[str, Any] = first.data
    return is_gone(ProcessIdentity(node_name(), about.get("boot_id", ""), about["pid"], about.get("pid_started", -1)))


def quarantine(path: Path, damage: list[Damage]) -> None:
    """Keep the bytes that are no frame beside the journal. After a rollback they are written once more."""
    if not damage:
        return
    with path.open("rb") as source, path.with_suffix(".damaged").open("ab") as target:
        for piece in damage:
            source.seek(piece.start)
            target.write(b"%d-%d\n" % (piece.start, piece.end) + source.read(piece.end - piece.start) + b"\n")
        target.flush()
        with suppress(OSError):
            os.fsync(target.fileno())
