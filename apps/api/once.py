"""`Idempotency-Key`: a write that is sent again is done once, and answered alike.

The key, the fingerprint of the request and its answer are one row. It is written in the transaction of the write, so
that either both are there or none: of two requests with one key that arrive together, the second waits for the first
and gets its answer. A write that cannot be one transaction (`is_atomic=False`) has to be one that may be repeated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from apps.api.access import owner_of
from apps.api.models import StoredAnswer
from apps.api.problems import Problem
from apps.core.clock import utc_now

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
LONGEST = 200
#: So many old answers go with each new one, so that they become fewer.
FORGOTTEN = 20
REPLAYED = "Idempotency-Replayed"
KEPT_HEADERS = ("Content-Type", "Location", "ETag")


def answer_once(request: HttpRequest, write: Callable[[], HttpResponse], *, is_atomic: bool = True) -> HttpResponse:
    """The answer of `write`, or the one it had before. Raises `Problem`."""
    key = request.headers.get(HEADER)
    if key is None:
        return write()
    if not 0 < len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        raise Problem("invalid", f"{HEADER}: use 1 to {LONGEST} printable ASCII characters.")
    if is_atomic:
        with transaction.atomic():
            return _answer(request, key, write)
    return _answer(request, key, write)


def _answer(request: HttpRequest, key: str, write: Callable[[], HttpResponse]) -> HttpResponse:
    now, owner = utc_now(), owner_of(request)
    _forget_expired(now)
    StoredAnswer.objects.filter(owner=owner, key=key, expires_at__lte=now).delete()
    fingerprint = fingerprint_of(request)
    stored, _ = StoredAnswer.objects.get_or_create(
        owner=owner, key=key, defaults={"fingerprint": fingerprint, "created_at": now, "expires_at": now + KEPT}
    )
    if stored.fingerprint != fingerprint:
        raise Problem("key-reused", f"{HEADER}: this key was sent with another request; use a new one.")
    if stored.status is not None:
        return _again(stored)
    response = write()
    stored.status, stored.body = response.status_code, response.content.decode()
    stored.headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    stored.save(update_fields=["status", "body", "headers"])
    return response


def _forget_expired(now: datetime) -> None:
    """Each write with a key takes some old answers away, those that nobody else is taking away."""
    with transaction.atomic():
        expired = StoredAnswer.objects.filter(expires_at__lte=now).select_for_update(skip_locked=True)
        StoredAnswer.objects.filter(pk__in=list(expired.values_list("pk", flat=True)[:FORGOTTEN])).delete()


def derived_key(request: HttpRequest, part: str) -> str | None:
    """A key for a part of this write, the same whenever the write is sent again; None when it has no key."""
    key = request.headers.get(HEADER)
    return hashlib.sha256(f"{owner_of(request)}|{key}|{part}".encode()).hexdigest() if key else None


def fingerprint_of(request: HttpRequest) -> str:
    """What tells a request from another one with the same key."""
    conditions = "|".join((str(request.method), request.get_full_path(), request.headers.get("If-Match", "")))
    # With a key of ours: a body may hold a password, which nobody shall find by trying words on what is kept of it.
    content = conditions.encode(errors="replace") + b"|" + request.body
    return salted_hmac("apps.api.once", content, algorithm="sha256").hexdigest()


def _again(stored: StoredAnswer) -> HttpResponse:
    response = HttpResponse(stored.body, status=stored.status)
    for name, value in stored.headers.items():
        response[name] = value
    response[REPLAYED] = "true"
    return response
