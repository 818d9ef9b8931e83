"""Who asks too often is told when to come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.integration.people import make_client, make_person, signed_in, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shared_cache(valkey_socket: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The real one, empty; and one minute that does not end."""
    cache.clear()
    monkeypatch.setattr("apps.accounts.throttle.time.time", lambda: 1_000_000_020.0)
    settings.DC_API_READS_PER_MINUTE, settings.DC_API_WRITES_PER_MINUTE = 3, 1
    settings.DC_API_REFUSALS_PER_MINUTE = 2


def statuses(client: Client, method: str, path: str, count: int, **headers: str) -> list[int]:
    return [getattr(client, method)(path, headers=headers).status_code for _ in range(count)]


def test_reads_and_writes_have_limits_of_their_own() -> None:
    client = signed_in("operator")

    assert statuses(client, "get", "/api/v1/apps", 4) == [200, 200, 200, 429]
    assert statuses(client, "post", "/api/v1/commands", 1) == [405]
    assert statuses(client, "delete", "/api/v1/apps/no.such.app", 2) == [403, 429]


def test_it_says_when_to_come_back_and_then_one_may(monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in("viewer")
    statuses(client, "get", "/api/v1/apps", 3)

    refused = client.get("/api/v1/apps")

    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["type"].endswith(":too-many-requests")
    wait = int(refused["Retry-After"])
    assert 0 < wait <= 60
    monkeypatch.setattr("apps.accounts.throttle.time.time", lambda: 1_000_000_020.0 + wait)
    assert client.get("/api/v1/apps").status_code == 200


def test_each_has_a_count_of_their_own_whatever_address_they_claim() -> None:
    client = signed_in("viewer")
    statuses(client, "get", "/api/v1/apps", 3)

    assert client.get("/api/v1/apps", headers={"X-Forwarded-For": "10.9.8.7"}).status_code == 429
    assert signed_in("operator").get("/api/v1/apps").status_code == 200
    program, secret = make_client(role="viewer")
    assert statuses(Client(), "get", "/api/v1/apps", 1, Authorization=f"Bearer {token_of(program, secret)}") == [200]


def test_wrong_tokens_are_counted_by_address() -> None:
    assert statuses(Client(), "get", "/api/v1/apps", 3, Authorization="Bearer guess") == [401, 401, 429]
    assert statuses(Client(REMOTE_ADDR="10.0.0.9"), "get", "/api/v1/apps", 1, Authorization="Bearer guess") == [401]


def test_without_a_cache_nobody_is_refused(settings: Any, tmp_path: Path) -> None:
    make_person("viewer")
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": f"unix://{tmp_path}/none"}
    }

    assert statuses(signed_in("viewer"), "get", "/api/v1/apps", 5) == [200] * 5
