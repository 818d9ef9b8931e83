"""The REST API: the sections of all Django apps, joined."""

from __future__ import annotations

from apps.api.building import build_api
from apps.api.spec import serve
from apps.console.app_api import section as apps
from apps.credentials.api import section as credentials
from apps.databases.api import section as databases
from apps.logs.api import section as logs
from apps.notifications.api import section as notifications
from apps.records.api import section as records
from apps.runtime.api import section as runs
from apps.runtime.function_api import section as functions
from apps.runtime.log_api import section as run_logs
from apps.runtime.node_api import section as nodes

SECTIONS = [apps, runs, run_logs, logs, functions, records, notifications, databases, credentials, nodes]
DESCRIPTION = """\
Everything that people do in the admin, for programs. Lists come in parts: ask again with `cursor` set to `next_cursor`
until that is null. What changes something answers with a command to poll, or with what is there now; sent with an
`Idempotency-Key` it is done once, however often it is sent. Errors are problem details (RFC 9457).
"""

api = build_api(SECTIONS, description=DESCRIPTION)

description = serve(api)
