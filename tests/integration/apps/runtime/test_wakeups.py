"""Rings for runs: over a real Valkey, over none, and from a child process."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from channels.layers import get_channel_layer
from django.test import override_settings

from apps.runtime.wakeups import Wakeups, wakeup_group
from config.settings.layers import layers


@pytest.fixture
def wakeups(monkeypatch: pytest.MonkeyPatch) -> Wakeups:
    # Whom a ring reaches is asked here, and a server on a busy machine may answer late.
    monkeypatch.setattr("apps.runtime.wakeups.SEND_TIMEOUT_S", 20.0)
    return Wakeups()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Ear(threading.Thread):
    """Listens for some runs in a loop of its own, until somebody rings for the end."""

    def __init__(self, server: Path, *run_ids: str) -> None:
        super().__init__()
        self.run_ids, self.end = run_ids, uuid.uuid4().hex
        self.found: list[str] = []
        self.start()
        last = f"dc__group__{wakeup_group(self.end)}"
        with redis.Redis(unix_socket_path=str(server)) as client:
            wait_for(lambda: client.pubsub_numsub(last)[0][1] == 1)

    def run(self) -> None:
        asyncio.run(self.listen())

    async def listen(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        for run_id in (*self.run_ids, self.end):
            await layer.group_add(wakeup_group(run_id), channel)
        async with asyncio.timeout(20):
            while (run_id := (await layer.receive(channel))["run"]) != self.end:
                self.found.append(run_id)

    def all(self) -> list[str]:
        """What was rung for until now: what is said later by the same server is heard later."""
        last = Wakeups()
        last.ring([self.end])
        self.join()
        last.close()
        return self.found


def test_followers_are_told(valkey_socket: Path, wakeups: Wakeups) -> None:
    ear = Ear(valkey_socket, "one", "two")
    wakeups.ring(["one"])
    wakeups.ring(["two", "three"])
    wakeups.close(timeout_s=20)
    assert sorted(ear.all()) == ["one", "two"]


def test_runs_that_are_rung_for_again_before_their_turn_are_told_once(valkey_socket: Path, wakeups: Wakeups) -> None:
    ear = Ear(valkey_socket, "one")
    for _ in range(5000):
        wakeups.ring(["one"])
    wakeups.close(timeout_s=20)
    assert 1 <= len(ear.all()) < 2500


def test_what_is_pending_is_sent_before_it_closes(valkey_socket: Path, wakeups: Wakeups) -> None:
    ear = Ear(valkey_socket, "last")
    wakeups.ring(["last"])
    wakeups.close(timeout_s=20)
    wakeups.ring(["last"])
    assert ear.all() == ["last"]


@override_settings(
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": "unix:///nowhere/valkey.sock"}]},
        }
    }
)
def test_nobody_notices_that_there_is_no_server(wakeups: Wakeups) -> None:
    begun = time.monotonic()
    for _ in range(1000):
        wakeups.ring(["one"])
    assert time.monotonic() - begun < 0.5
    time.sleep(0.5)
    wakeups.ring(["one"])
    wakeups.close()


@override_settings(CHANNEL_LAYERS={})
def test_nobody_notices_that_there_is_no_layer(wakeups: Wakeups) -> None:
    wakeups.ring(["one"])
    wakeups.close()


def test_closing_what_was_never_used_is_nothing(wakeups: Wakeups) -> None:
    wakeups.close()
    wakeups.close()


def test_a_child_process_rings_for_itself(valkey_socket: Path, wakeups: Wakeups) -> None:
    ear = Ear(valkey_socket, "parent", "child")
    wakeups.ring(["parent"])
    # Then its thread has begun, and waits: it holds nothing that a fork would take along.
    wait_for(lambda: ear.found == ["parent"])
    child = os.fork()
    if child == 0:
        wakeups.ring(["child"])
        wakeups.close(timeout_s=20)
        os._exit(0)
    os.waitpid(child, 0)
    assert ear.all() == ["parent", "child"]
    wakeups.close()


def test_a_folder_as_cache_means_no_layer() -> None:
    from pydantic import SecretStr

    assert layers(SecretStr("file:///var/cache")) == {}
    assert layers(None) == {}
    found = layers(SecretStr("redis://one:6379/0;redis://two:6379/0"))
    assert found["default"]["CONFIG"]["hosts"][0]["address"] == "redis://one:6379/0"
