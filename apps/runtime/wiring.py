"""The one place that hands Django's implementations to a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import connections

from apps.captcha.ledger import DjangoLedger
from apps.databases.database import Databases
from apps.politeness.manners import manners_of
from apps.proxies.court import court
from apps.proxies.source import LeasingProxies
from apps.quality.judging import Quality
from apps.records.merge import Hooks
from apps.records.store import DjangoRecordStore, tell_difference
from apps.runtime.fencing import EpochFence
from apps.runtime.leaseholder import holder_of
from apps.runtime.models import Runtime
from apps.runtime.queues import DjangoQueues
from apps.runtime.telling import TellingPool, tell_merge, tell_quality
from collectors.contract import Context, ProgressReport, StopSignal
from collectors.loader import Source
from collectors.toolkit.captcha.solver import Solver
from collectors.toolkit.http import ClientPool, Profile, RequestMetrics, Session, networks
from collectors.toolkit.politeness.manners import Manners
from collectors.toolkit.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Wiring:
    """A context, and the parts of it that the runner reads when the run is over."""

    context: Context
    records: DjangoRecordStore
    metrics: RequestMetrics
    clients: ClientPool
    databases: Databases
    captcha: Solver
    proxies: LeasingProxies
    manners: Manners

    def close(self) -> None:
        """The source has done its work: nobody asks anything any more."""
        self.clients.close()
        self.captcha.close()
        self.proxies.close()
        self.manners.close()
        self.databases.close()


def wire(
    run: Runtime,
    source: Source,
    *,
    args: Any,
    progress: ProgressReport,
    stop: StopSignal,
    secrets: Mapping[str, str] | None = None,
) -> Wiring:
    """The context of `run`."""
    info = source.info
    allowed = networks(" ".join([*settings.DC_RUN_ALLOWED_NETWORKS, *source.allowed_networks]))
    manners = manners_of(source)
    session = Session(Profile(allowed=allowed), stop=stop, manners=manners)
    clients = TellingPool(session)
    fence = EpochFence(run)
    hooks = Hooks(on_difference=tell_difference, prepare=fence.prepare, fence=fence)
    quality = Quality(runtime_id=run.pk, dry_run=run.is_dry_run, tell=tell_quality)
    records = DjangoRecordStore(
        runtime_id=run.pk, dry_run=run.is_dry_run, on_merge=tell_merge, hooks=hooks, quality=quality
    )
    databases = Databases(merge=records.merge, dry_run=run.is_dry_run, prepare=fence.prepare, fence=fence)
    log = structlog.get_logger(f"source.{info.code}")
    ledger = DjangoLedger(info, app_id=run.app_id, runtime_id=run.pk)
    captcha = Solver(ledger, log=log, stop=stop, dry_run=run.is_dry_run)
    proxies = LeasingProxies(holder_of(run), court(), stop=stop)
    context = Context(
        args=args,
        app=info,
        runtime_id=run.pk,
        limit=run.limit,
        dry_run=run.is_dry_run,
        log=log,
        records=records,
        progress=progress,
        clients=clients,
        stop=stop,
        secrets=Secrets(secrets or {}, app=info.code),
        databases=databases,
        queues=DjangoQueues(run),
        captcha=captcha,
        proxies=proxies,
        leave_thread=connections.close_all,
    )
    return Wiring(context, records, session.metrics, clients, databases, captcha, proxies, manners)
