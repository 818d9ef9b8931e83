"""A context made of doubles."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collectors.contract import AppInfo, Clients, Context
from collectors.identity import parse_code
from collectors.toolkit.secrets import Secrets
from collectors.toolkit.testing.captcha import CannedCaptcha
from collectors.toolkit.testing.clients import CannedClients
from collectors.toolkit.testing.database import MemoryDatabase, MemoryDatabases
from collectors.toolkit.testing.memory import MemoryRecords
from collectors.toolkit.testing.proxies import MemoryProxies
from collectors.toolkit.testing.recording import RecordingLog, RecordingProgress
from collectors.toolkit.testing.series import MemoryQueues


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryContext(Context):
    """A context whose parts say afterwards what the source did: `records.rows(Model)`, `progress.solved`..."""

    log: RecordingLog
    records: MemoryRecords
    progress: RecordingProgress
    captcha: CannedCaptcha
    proxies: MemoryProxies
    stop: threading.Event
    """`context.stop.set()` asks the run to stop."""
    queues: MemoryQueues


def make_context(
    args: Any = None,
    *,
    app: str | AppInfo = "tests.unit.sample",
    limit: int | None = None,
    dry_run: bool = False,
    clients: Clients | None = None,
    records: MemoryRecords | None = None,
    secrets: Mapping[str, str] | None = None,
    databases: Mapping[str, MemoryDatabase] | None = None,
    captcha: CannedCaptcha | None = None,
    proxies: MemoryProxies | None = None,
    queues: MemoryQueues | None = None,
) -> MemoryContext:
    """A context for one run.

    `args` is an instance of the source's `Args`, or the plain dict of a source without. `clients` that are not given
    reach nothing; `databases` are those that `context.database(alias)` finds; `captcha` solves what it was given
    solutions for. Hand in the `records` of an earlier
    context to run a source a second time on what it stored; they write nothing if `dry_run` says so, and go on writing
    in the next context without it. Hand in its `queues` too, and a source with `resume` goes on where it stopped.
    """
    records = records or MemoryRecords()
    records.dry_run = dry_run
    captcha = captcha or CannedCaptcha()
    captcha.dry_run = dry_run
    info = parse_code(app) if isinstance(app, str) else app
    return MemoryContext(
        args={} if args is None else args,
        app=info,
        runtime_id="0" * 32,
        limit=limit,
        dry_run=dry_run,
        log=RecordingLog(),
        records=records,
        progress=RecordingProgress(),
        clients=clients or CannedClients(),
        stop=threading.Event(),
        secrets=Secrets(secrets or {}, app=info.code),
        proxies=proxies or MemoryProxies(),
        databases=MemoryDatabases(databases or {}, dry_run=dry_run, records=records),
        captcha=captcha,
        queues=queues or MemoryQueues(),
    )
