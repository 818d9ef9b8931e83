"""The System page and what the API says of the same parts."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from pydantic import SecretStr
from pytest_django import DjangoAssertNumQueries

from apps.core.clock import database_now, utc_now
from apps.logs.models import JournalFile, SinkCursor
from apps.logs.retention_models import SweptTable
from apps.runtime import machine_parts, marks, part_probes, vital_signs
from apps.runtime.machine import Vitals, measure_machine
from apps.runtime.nodes import Condition, Heartbeat
from apps.runtime.parts import Part, Standing
from apps.runtime.system import read_system
from config.settings.caches import cache
from tests.integration.factories import make_node
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    part_probes.forget()
    yield
    part_probes.forget()


@pytest.fixture
def broker(valkey_socket: Path) -> None:
    """The one of the settings, which is the cache as well."""


def parts() -> dict[str, Part]:
    return {part.name: part for part in read_system(patience_s=20).parts}


def standings(*names: str) -> list[str]:
    found = parts()
    return [found[name].standing.value for name in names]


def test_a_platform_that_is_well_says_so_and_when_it_was_asked(broker: None) -> None:
    now = database_now()
    make_node(slots=4, used=1, queues=["runs"])
    marks.stamp("clock", now=now)
    vital_signs.beat("clock")
    vital_signs.beat_worker("machine 17")
    SweptTable.objects.create(name="log", rule="", row_count=0, due_count=0, due_at=now, swept_at=now)

    system, page = read_system(patience_s=20), signed_in("viewer").get("/admin/system/").text

    of_the_disk = {part.name: part for part in system.parts if part.name in ("disk", "memory")}
    assert {part.name: part.standing for part in system.parts if part.name not in of_the_disk} == dict.fromkeys(
        {part.name for part in system.parts} - set(of_the_disk), Standing.OK
    )
    assert {"database", "broker", "cache", "clock", "workers", "managers", "web"} <= set(parts())
    assert all(part.measured_at for part in system.parts)
    for text in ("1 of 4 slots used, queues runs.", "1 alive: machine 17.", "It swept ", "As of <time"):
        assert text in page
    # Never by colour alone.
    assert len(re.findall(r"dc-standing-ok\"><span[^>]*>check_circle</span>ok</span>", page)) >= 8


def test_what_refuses_is_said_with_the_next_step_and_is_no_error_of_the_page(settings: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        settings.CELERY_BROKER_URL = f"amqp://127.0.0.1:{taken.getsockname()[1]}//"
        settings.CACHES = {"default": cache(SecretStr(f"redis://127.0.0.1:{taken.getsockname()[1]}"))}
        # The driver is loaded by the first who asks, and a busy machine takes longer for it than a page waits.
        read_system(patience_s=20)
        response = signed_in("viewer").get("/admin/system/")

    assert response.status_code == 200
    for text in ("It does not answer:", "refused", "mend DC_BROKER_URL", "No manager is alive", "manage.py manager"):
        assert text in response.text
    # Whether workers are alive is said in the cache: without it nobody knows.
    assert standings("broker", "cache", "workers", "clock") == ["failed", "failed", "unknown", "failed"]


def test_what_takes_the_question_and_never_answers_holds_nobody_up(settings: Any) -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        settings.CELERY_BROKER_URL = f"amqp://127.0.0.1:{hole.getsockname()[1]}//"
        broker = {part.name: part for part in read_system(patience_s=0.05).parts}["broker"]

    assert (broker.standing, broker.said) == (Standing.UNKNOWN, "It has not answered within a second.")


def test_a_clock_that_only_managers_keep_is_late_and_one_that_nobody_keeps_has_failed(broker: None) -> None:
    vital_signs.beat_worker("machine 17")
    marks.stamp("clock", now=database_now())
    caches["default"].delete("alive:clock")
    assert standings("clock", "workers") == ["late", "ok"]

    marks.stamp("clock", now=database_now() - timedelta(minutes=1))
    assert standings("clock") == ["failed"]
    assert "nothing that is due begins" in parts()["clock"].said


def test_a_manager_that_is_silent_or_deaf_or_of_another_version_is_told_apart() -> None:
    gone = database_now() - timedelta(minutes=2)
    make_node(host="silent", lease_until=gone, heartbeat_at=gone)
    make_node(host="deaf", broker_error="Connection <refused>", version="0.0.1")
    found = [part for part in read_system().parts if part.name == "managers"]

    assert {part.machine: part.standing for part in found} == {"silent": Standing.FAILED, "deaf": Standing.LATE}
    page = signed_in("viewer").get("/admin/system/").text
    for text in ("It was not heard of for 2 min", "Connection &lt;refused&gt;", "managers also 0.0.1"):
        assert text in page


def test_other_machines_say_with_their_heartbeat_what_they_have_left() -> None:
    scarce = Vitals(disk_total=1000, disk_free=20, memory_total=1000, memory_free=80, journal_backlog=10**9)
    make_node(host="elsewhere", vitals=scarce.as_json())
    make_node(host="older", vitals={})
    found = {(part.machine, part.name): part for part in read_system().parts if part.machine}

    states = {name: found["elsewhere", name].standing.value for name in ("disk", "memory", "journals")}
    assert states == {"disk": "failed", "memory": "late", "journals": "failed"}
    assert found["older", "disk"].standing == Standing.UNKNOWN
    page = signed_in("viewer").get("/admin/system/").text
    assert "20 B of 1.0 kB free (2 %)." in page
    assert "on a full disk lines are lost" in page


def test_a_heartbeat_brings_what_the_machine_has_left() -> None:
    node = make_node()
    Heartbeat(node, lambda: Condition(0, is_draining=False, broker_error=""), lambda: None).beat()
    node.refresh_from_db()
    assert set(node.vitals) == set(measure_machine().as_json())
    assert node.vitals["disk_total"] > node.vitals["disk_free"] > 0


def test_a_sink_that_refuses_and_a_retention_that_sleeps_are_named() -> None:
    now = utc_now()
    for number, failures in enumerate((0, 3)):
        file = JournalFile.objects.create(
            id=f"{number}", role="web", node="x", path=str(number), created_at=now, sealed_at=now - timedelta(hours=1)
        )
        SinkCursor.objects.create(journal=file, sink=f"sink{number}", failures=failures, last_error="403" * failures)
    then = now - timedelta(days=3)
    SweptTable.objects.create(name="log", rule="", row_count=0, due_count=0, due_at=then, swept_at=then)
    found = {part.title: part for part in read_system().parts}

    assert found["Log sink sink0"].standing == Standing.LATE
    assert found["Log sink sink1"].standing == Standing.FAILED
    assert "403403403" in found["Log sink sink1"].said
    assert found["Retention"].standing == Standing.LATE


def test_the_page_costs_the_same_for_one_manager_and_for_many(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = signed_in()
    make_node()
    client.get("/admin/system/live/")
    # session, user; managers, database, mark of the clock, journals, sinks (2), retention; on PostgreSQL its clock too
    with django_assert_num_queries(9 + (database_clock_is_asked())):
        client.get("/admin/system/live/")
    for number in range(20):
        make_node(host=f"machine{number}")
    with django_assert_num_queries(9 + (database_clock_is_asked())):
        client.get("/admin/system/live/")


def database_clock_is_asked() -> int:
    from django.db import connection

    return int(connection.vendor == "postgresql")


def test_the_live_part_is_a_fragment_and_nobody_without_the_role_gets_it() -> None:
    response = signed_in("viewer").get("/admin/system/live/")
    assert "<html" not in response.text
    assert "no-store" in response["Cache-Control"]
    assert signed_in("").get("/admin/system/live/").status_code == 403


def test_programs_are_told_the_same(broker: None) -> None:
    make_node(host="elsewhere", vitals=Vitals(disk_total=100, disk_free=1).as_json())
    told = signed_in("viewer").get("/api/v1/system").json()

    assert told["state"] == "failed"
    disk = next(part for part in told["parts"] if (part["machine"], part["name"]) == ("elsewhere", "disk"))
    assert (disk["state"], disk["said"]) == ("failed", "1 B of 100 B free (1 %).")
    assert disk["step"]
    assert disk["measured_at"]


def test_the_menu_and_the_page_call_managers_alike() -> None:
    page = signed_in("viewer").get("/admin/runtime/node/").text
    assert "Nodes" not in page
    assert "Select manager to view" in page or "Managers" in page


def test_a_machine_that_does_not_say_is_unknown_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_parts, "measure_machine", lambda: Vitals(journal_backlog=0))
    assert standings("disk", "memory", "journals") == ["unknown", "unknown", "ok"]
