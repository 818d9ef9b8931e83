"""How often somebody may ask (`apps/accounts/throttle.py`): reads, writes and wrong tokens are counted apart."""

from __future__ import annotations

from django.conf import settings

from apps.accounts.throttle import wait_for
from apps.api.problems import Problem


def count_request(who: str, *, is_write: bool) -> None:
    """One more request by somebody who was let in. Raises `Problem`."""
    if is_write:
        _count("writes", who, settings.DC_API_WRITES_PER_MINUTE)
    else:
        _count("reads", who, settings.DC_API_READS_PER_MINUTE)


def count_refusal(address: str | None) -> None:
    """One more token from an address that let nobody in. Raises `Problem`."""
    _count("wrong tokens", address or "", settings.DC_API_REFUSALS_PER_MINUTE)


def _count(kind: str, who: str, most: int) -> None:
    if wait := wait_for(kind, who, limit=most):
        detail = f"At most {most} {kind} a minute; try again in {wait} s."
        raise Problem("too-many-requests", detail, headers={"Retry-After": str(wait)})
