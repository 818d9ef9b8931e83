"""Why a socket was closed. Codes keep their meaning within `v1` of the API."""

from __future__ import annotations

BAD_MESSAGE = 4400
SIGNED_OUT = 4401
NOT_ALLOWED = 4403
GONE = 4404
TOO_SLOW = 4408
TOO_LONG_OPEN = 4410
TOO_MANY_MESSAGES = 4429
TRY_AGAIN_LATER = 1013
