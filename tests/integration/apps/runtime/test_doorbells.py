"""Doorbells over every broker there is, and over none."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from apps.runtime import doorbells
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
        return self._start(doors or (self.queue,), heard.append), heard

    def listening(self, *doors: str) -> tuple[Listener, list[str]]:
        """A listener that has answered a ring, and what it heard until then: its first look, as a rule.

        The first look says only that it is about to subscribe, and a ring is lost until the broker knows of that.
        """
        own, answers, heard = uuid.uuid4().hex, list[str](), list[str]()
        listener = self._start(
            (own, *(doors or (self.queue,))), lambda door: (answers if door == own else heard).append(door)
        )

        def has_answered() -> bool:
            self.bell.ring(own)
            return len(answers) > 1

        wait_for(has_answered)
        return listener, heard

    def _start(self, doors: Collection[str], wake: Callable[[str], None]) -> Listener:
        listener = Listener(uuid.uuid4().hex, doors, wake)
        self.listeners.append(listener)
        listener.start()
        return listener

    def close(self) -> None:
        for listener in self.listeners:
            self.leave(listener)
        self.bell.close()

    def leave(self, listener: Listener) -> None:
        """End it, and wait for its end: in a folder it would take what is meant for the next one."""
        listener.close()
        wait_for(lambda: not listener._thread.is_alive())


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
def live_broker(request: pytest.FixtureRequest, settings: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # Who hears a ring is asked here, and a broker on a busy machine may answer late.
    monkeypatch.setattr(doorbells, "PATIENCE_S", 20.0)
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
    other = f"{house.queue}_other"
    # A folder is for one machine with one manager.
    count = 1 if live_broker == "folder" else 2
    listening = [house.listening() for _ in range(count)]
    _, others = house.listening(other) if live_broker != "folder" else (None, [other])
    # Whoever begins to listen looks once: it may have missed something.
    assert [heard for _, heard in listening] == [[house.queue]] * count
    assert others == [other]
    for _, heard in listening:
        heard.clear()
    house.bell.ring(house.queue)
    house.bell.ring(other)
    wait_for(lambda: all(heard == [house.queue] for _, heard in listening))
    wait_for(lambda: others == [other] * (1 if live_broker == "folder" else 2))
    assert [listener.error for listener, _ in listening] == [""] * count


def test_one_manager_alone_is_rung_for(live_broker: str, house: House) -> None:
    me, somebody_else = (node_door(f"{house.queue}_{name}") for name in ("me", "else"))
    _, heard = house.listening(house.queue, me)
    assert sorted(heard) == sorted([house.queue, me])
    heard.clear()
    house.bell.ring(somebody_else)
    house.bell.ring(me)
    wait_for(lambda: heard == [me])


def test_rings_that_nobody_hears_are_forgotten(live_broker: str, house: House) -> None:
    # There was a manager, and it is away: a folder knows its queue from then on.
    house.leave(house.listening()[0])
    for _ in range(50):
        house.bell.ring(house.queue)
    _, heard = house.listening()
    # A folder keeps them for its one manager; nowhere else does anything pile up.
    if live_broker == "folder":
        wait_for(lambda: len(heard) == 51)
    assert heard == [house.queue] * (51 if live_broker == "folder" else 1)


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
