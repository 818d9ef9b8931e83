"""`/judge`: the platform tells whoever asks by which address they came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.http import require_GET

from apps.accounts.address import client_address

_NONCE = re.compile(r"[0-9a-f]{32}")


@require_GET
def judge(request: HttpRequest) -> HttpResponse:
    """The address that a request came from; with a proof that it was us who said so, for who sends a nonce."""
    address = client_address(request.META) or ""
    data = {"ip": address}
    nonce = request.GET.get("nonce", "")
    if _NONCE.fullmatch(nonce):
        data["proof"] = proof_of(address, nonce)
    response = JsonResponse(data)
    response["Cache-Control"] = "no-store"
    return response


def proof_of(address: str, nonce: str) -> str:
    """What only this platform can write beside an address."""
    return salted_hmac("apps.proxies.judge", f"{nonce} {address}", algorithm="sha256").hexdigest()


def is_proven(data: Mapping[str, Any], nonce: str) -> bool:
    """Whether this platform has written the answer to `nonce`."""
    return constant_time_compare(str(data.get("proof", "")), proof_of(str(data.get("ip", "")), nonce))
