"""The REST API: the sections of all Django apps, joined."""

from __future__ import annotations

from apps.api.building import build_api
from apps.api.spec import serve
from apps.console.app_api import section as apps
from apps.runtime.api import section as runs

DESCRIPTION = """\
Everything that people do in the admin, for programs. Lists come in parts: ask again with `cursor` set to `next_cursor`
until that is null. What changes something answers with a command to poll, or with what is there now; sent with an
`Idempotency-Key` it is done once, however often it is sent. Errors are problem details (RFC 9457).
"""

api = build_api([apps, runs], description=DESCRIPTION)

description = serve(api)
