"""The REST API: the sections of all Django apps, joined."""

from __future__ import annotations

from apps.api.building import build_api
from apps.api.spec import serve
from apps.captcha.api import section as captcha
from apps.console.app_api import section as apps
from apps.console.audit_api import section as audit
from apps.console.clients_api import section as clients
from apps.console.clock_api import section as clock
from apps.console.grants_api import section as grants
from apps.console.people_api import section as people
from apps.console.ticket_api import section as tickets
from apps.credentials.api import section as credentials
from apps.databases.api import section as databases
from apps.logs.api import section as logs
from apps.logs.error_api import section as errors
from apps.notifications.api import section as notifications
from apps.politeness.api import section as politeness
from apps.proxies.api import section as proxies
from apps.quality.api import section as quality
from apps.records.api import section as records
from apps.records.export_api import section as exports
from apps.records.quarantine_api import section as quarantine
from apps.registry.api import section as groups
from apps.runtime.api import section as runs
from apps.runtime.function_api import section as functions
from apps.runtime.log_api import section as run_logs
from apps.runtime.node_api import section as nodes
from apps.runtime.queue_api import section as queues

SECTIONS = [
    *(
        apps,
        groups,
        runs,
        run_logs,
        queues,
        logs,
        errors,
        functions,
        records,
        exports,
        quality,
        quarantine,
        notifications,
        databases,
        captcha,
        politeness,
    ),
    *(credentials, proxies, nodes, clock, people, grants, clients, audit, tickets),
]
DESCRIPTION = """\
Everything that people do in the admin, for programs. Lists come in parts: ask again with `cursor` set to `next_cursor`
until that is null. What changes something answers with a command to poll, or with what is there now; sent with an
`Idempotency-Key` it is done once, however often it is sent. Errors are problem details (RFC 9457).
"""

api = build_api(SECTIONS, description=DESCRIPTION)

description = serve(api)
