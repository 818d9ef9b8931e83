"""Health and figures for machines that watch."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from apps.core.clock import database_now
from apps.logs.models import JournalFile, Log
from apps.runtime import figures, health
from apps.runtime.journals import journal_root
from apps.runtime.models import State
from apps.runtime.process import node_name
from tests.integration.factories import make_app, make_node, make_run
from tests.integration.people import make_client, signed_in, token_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT_S", 0.0)
    monkeypatch.setattr(figures, "KEPT_S", 0.0)


@pytest.fixture
def broker(valkey_socket: Path) -> None:
    """The one of the settings."""


@pytest.fixture
def manager() -> None:
    make_node(slots=4, used=1)


def test_a_process_is_live_without_a_database(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/health/live", headers={"Host": "10.1.2.3"})

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


def test_a_platform_is_ready_when_all_its_parts_are(broker: None, manager: None) -> None:
    answer = Client().get("/health/ready", headers={"Host": "10.1.2.3"})

    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert answer.json()["checks"] == dict.fromkeys(("database", "migrations", "broker", "managers"), "ok")


def test_without_a_manager_it_is_not_ready_and_a_part_can_be_asked_alone(broker: None) -> None:
    make_node(lease_until=database_now() - timedelta(seconds=1))

    answer, only = Client().get("/health/ready"), Client().get("/health/ready?only=database,migrations")

    assert (answer.status_code, answer.json()["checks"]["managers"]) == (503, "failed")
    assert (only.status_code, set(only.json()["checks"])) == (200, {"database", "migrations"})
    assert Client().get("/health/ready?only=nonsense").status_code == 400


def test_a_broker_that_is_away_is_named_to_those_who_are_signed_in_alone(manager: None, settings: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        settings.CELERY_BROKER_URL = f"amqp://127.0.0.1:{taken.getsockname()[1]}//"

        stranger = Client().get("/health/ready")
        told = signed_in("viewer").get("/api/v1/health").json()

    assert (stranger.status_code, stranger.json()["checks"]["broker"]) == (503, "failed")
    assert "refused" not in stranger.content.decode()
    broker = next(part for part in told["parts"] if part["name"] == "broker")
    assert not told["is_ready"]
    assert not broker["is_ok"]
    assert "refused" in broker["said"]
    assert broker["took_ms"] > 0


def test_migrations_that_are_missing_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.runtime.health.MigrationExecutor.migration_plan", lambda *_: ["one"])
    probe = health._Migrations()

    finding = health._find("migrations", probe)

    assert not finding.is_ok
    assert finding.said == "1 migrations are missing; run manage.py migrate."


def scraped(**headers: str) -> dict[tuple[str, str], float]:
    answer = Client().get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.content
    samples = [one for family in text_string_to_metric_families(answer.content.decode()) for one in family.samples]
    return {(one.name.removeprefix("datacollector_"), ",".join(one.labels.values())): one.value for one in samples}


def test_figures_are_for_nobody_by_default() -> None:
    assert Client().get("/metrics").status_code == 401
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_figures_are_for_who_has_the_token_the_address_or_the_permission(settings: Any) -> None:
    client, secret = make_client(role="viewer")
    settings.DC_METRICS_TOKEN = "a-token-for-prometheus"

    assert scraped(Authorization="Bearer a-token-for-prometheus")
    assert Client().get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 401
    assert scraped(Authorization=f"Bearer {token_of(client, secret)}")
    assert signed_in("viewer").get("/metrics").status_code == 200
    assert signed_in("").get("/metrics").status_code == 401
    settings.DC_METRICS_ALLOW = ["10.0.0.0/8", "127.0.0.1/32"]
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="192.168.1.1").get("/metrics").status_code == 401
    settings.DC_PROXY_COUNT = 1
    proxied = Client(REMOTE_ADDR="127.0.0.1")
    assert proxied.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.7"}).status_code == 401
    assert proxied.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7, 127.0.0.1"}).status_code == 200


def test_figures_say_how_the_platform_does(settings: Any, manager: None, django_assert_max_num_queries: Any) -> None:
    settings.DC_METRICS_ALLOW = ["127.0.0.1/32"]
    app, now = make_app(is_enabled=True), database_now()
    for state in (State.QUEUED, State.QUEUED, State.RUNNING, State.FAILED):
        make_run(app, state)
    path = "somewhere/x.journal"
    (journal_root() / path).parent.mkdir(parents=True, exist_ok=True)
    (journal_root() / path).write_bytes(b"x" * 100)
    JournalFile.objects.create(id="a" * 32, role="web", node=node_name(), path=path, offset=40, created_at=now)
    line = Log.objects.create(message="said", logged_at=now)

    with django_assert_max_num_queries(20):
        found = scraped()

    assert found["runs", "QUEUED"] == 2
    assert found["runs", "RUNNING"] == 1
    assert found["recent_runs", "FAILED"] == 1
    assert found["queue_depth", "runs"] == 2
    assert 0 <= found["queue_age_seconds", "runs"] < 60
    assert (found["managers", ""], found["slots", ""], found["slots_used", ""]) == (1, 4, 1)
    assert found["journal_backlog_bytes", node_name()] == 60
    assert found["log_lines_total", ""] == line.pk
    assert found["apps_enabled", ""] == 1
    assert any(name == "build_info" for name, _ in found)
    shown = signed_in("viewer").get("/api/v1/metrics").json()["items"]
    assert {f"{item['name']}" for item in shown} >= {"runs", "managers", "deliveries_failed"}


def test_a_measurement_serves_everybody_for_a_while(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DC_METRICS_ALLOW = ["127.0.0.1/32"]
    monkeypatch.setattr(figures, "KEPT_S", 60.0)
    figures._kept.clear()
    before = scraped()
    make_node()

    assert scraped() == before
    figures._kept.clear()
    assert scraped() != before
