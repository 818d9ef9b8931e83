"""Doorbells over every broker there is, and over none."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from apps.runtime.doorbells import Bell, Listener, node_door
from config.settings.brokers import broker
from tests.services import brokers


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class House:
    """A bell and as many listeners as one likes, on one broker."""

    def __init__(self) -> None:
        # Others may use the same broker: queues of our own.
        self.queue = f"q_{uuid.uuid4().hex[:8]}"
        self.bell = Bell()
        self.listeners: list[Listener] = []

    def listener(self, *doors: str) -> tuple[Listener, list[str]]:
        heard: list[str] = []
        listener = Listener(uuid.uuid4().hex, doors or [self.queue], heard.append)
        self.listeners.append(listener)
        listener.start()
        return listener, heard

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()
        self.bell.close()


@pytest.fixture
def house(settings: Any) -> Iterator[House]:
    found = House()
    yield found
    found.close()


def use(settings: Any, url: str) -> None:
    settings.CELERY_BROKER_URL, settings.CELERY_BROKER_TRANSPORT_OPTIONS = broker(SecretStr(url))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: kombu remembers for a process which queues are bound, whatever folder they are in."""
    return tmp_path_factory.mktemp("broker")


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    with brokers.rabbitmq() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    with brokers.redis_server() as url:
        yield url


@pytest.fixture(params=["rabbitmq", "redis", "valkey", "folder"])
def live_broker(request: pytest.FixtureRequest, settings: Any, folder: Path) -> str:
    name: str = request.param
    match name:
        case "rabbitmq":
            url = request.getfixturevalue("rabbitmq")
        case "redis":
            url = request.getfixturevalue("redis_server")
        case "valkey":
            url = f"redis+socket://{request.getfixturevalue('valkey_socket')}"
        case _:
            url = f"filesystem://{folder}"
    use(settings, url)
    return name


def test_a_ring_wakes_every_manager_that_serves_the_queue_and_no_other(live_broker: str, house: House) -> None:
    # A folder is for one machine with one manager.
    count = 1 if live_broker == "folder" else 2
    listening = [house.listener() for _ in range(count)]
    _, others = house.listener("other") if live_broker != "folder" else (None, [])
    # Whoever begins to listen looks once: it may have missed something.
    wait_for(lambda: all(heard for _, heard in listening) and (others or live_broker == "folder"))
    for _, heard in listening:
        heard.clear()
    others.clear()
    house.bell.ring(house.queue)
    wait_for(lambda: all(heard == [house.queue] for _, heard in listening))
    assert others == []
    assert [listener.error for listener, _ in listening] == [""] * count


def test_one_manager_alone_is_rung_for(live_broker: str, house: House) -> None:
    _, heard = house.listener(house.queue, node_door("me"))
    wait_for(lambda: len(heard) == 2)
    heard.clear()
    house.bell.ring(node_door("somebody else"))
    house.bell.ring(node_door("me"))
    wait_for(lambda: heard == [node_door("me")])


def test_rings_that_nobody_hears_are_forgotten(live_broker: str, house: House) -> None:
    for _ in range(50):
        house.bell.ring(house.queue)
    _, heard = house.listener()
    wait_for(lambda: bool(heard))
    time.sleep(0.3)
    # A folder keeps them for its one manager; nowhere else does anything pile up.
    assert len(heard) == (51 if live_broker == "folder" else 1)


def dead_brokers() -> dict[str, str]:
    """Nobody listens there; and somebody who never answers."""
    return {"refuses redis": "redis://127.0.0.1:1/0", "refuses amqp": "amqp://guest:guest@127.0.0.1:1//"}


@pytest.mark.parametrize("url", dead_brokers().values(), ids=dead_brokers())
def test_a_broker_that_refuses_costs_next_to_nothing(settings: Any, house: House, url: str) -> None:
    use(settings, url)
    listener, heard = house.listener()
    begun = time.monotonic()
    for _ in range(100):
        house.bell.ring(house.queue)
    assert time.monotonic() - begun < 5
    wait_for(lambda: bool(listener.error))
    assert "refused" in listener.error
    assert heard == []


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_never_answers_is_waited_for_once(settings: Any, house: House, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(settings, f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/")
        begun = time.monotonic()
        for _ in range(100):
            house.bell.ring(house.queue)
        assert time.monotonic() - begun < 5


def test_without_a_broker_nothing_happens(settings: Any, house: House) -> None:
    settings.CELERY_BROKER_URL = ""
    listener, heard = house.listener()
    house.bell.ring(house.queue)
    assert listener.error == "No broker is configured (DC_BROKER_URL)."
    assert heard == []
