"""`ETag` and `If-Match`: who changes something says which version of it they saw."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest

from apps.api.problems import Problem

TAGS = re.compile(r"[!-~]{1,200}")


def etag_of(*parts: Any) -> str:
    """The tag of what these values say together."""
    text = json.dumps(parts, cls=DjangoJSONEncoder, sort_keys=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def check_version(request: HttpRequest, current: str) -> None:
    """Raises `Problem` unless the request names the version that is there. Call it with the row locked."""
    wanted = request.headers.get("If-Match")
    if wanted is None:
        raise Problem("if-match-required", "Send the ETag of what you read as If-Match.")
    if not TAGS.fullmatch(wanted):
        raise Problem("invalid", "If-Match: send the ETag as it came, or several with commas and no spaces.")
    if wanted.strip() != "*" and current not in [tag.strip() for tag in wanted.split(",")]:
        raise Problem(
            "changed-meanwhile",
            "Read it again, look at what changed, and send your change with the new ETag.",
            headers={"ETag": current},
        )
