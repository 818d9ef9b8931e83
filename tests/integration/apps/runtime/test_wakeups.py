"""Rings for runs: over a real Valkey, over none, and from a child process."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest
from channels.layers import get_channel_layer
from django.test import override_settings

from apps.runtime.wakeups import Wakeups, wakeup_group
from config.settings.layers import layers


@pytest.fixture
def wakeups() -> Wakeups:
    return Wakeups()


def heard(run_ids: list[str], ring: threading.Event, seconds: float) -> list[str]:
    """The runs that were rung for; sets `ring` when it listens."""

    async def listen() -> list[str]:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        for run_id in run_ids:
            await layer.group_add(wakeup_group(run_id), channel)
        ring.set()
        found: list[str] = []
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                found.append((await asyncio.wait_for(layer.receive(channel), left))["run"])
            except TimeoutError:
                break
        return found

    return asyncio.run(listen())


class Ear(threading.Thread):
    """Listens in a loop of its own."""

    def __init__(self, run_ids: list[str], seconds: float = 1.5) -> None:
        super().__init__()
        self.run_ids, self.seconds = run_ids, seconds
        self.listens = threading.Event()
        self.found: list[str] = []
        self.start()
        assert self.listens.wait(10)

    def run(self) -> None:
        self.found = heard(self.run_ids, self.listens, self.seconds)

    def all(self) -> list[str]:
        self.join()
        return self.found


def test_followers_are_told(valkey_socket: Path, wakeups: Wakeups) -> None:
    del valkey_socket
    ear = Ear(["one", "two"])
    wakeups.ring(["one"])
    wakeups.ring(["two", "three"])
    assert sorted(ear.all()) == ["one", "two"]
    wakeups.close()


def test_runs_that_are_rung_for_again_before_their_turn_are_told_once(valkey_socket: Path, wakeups: Wakeups) -> None:
    del valkey_socket
    ear = Ear(["one"])
    for _ in range(5000):
        wakeups.ring(["one"])
    told = ear.all()
    wakeups.close()
    assert 1 <= len(told) < 2500


def test_what_is_pending_is_sent_before_it_closes(valkey_socket: Path, wakeups: Wakeups) -> None:
    del valkey_socket
    ear = Ear(["last"])
    wakeups.ring(["last"])
    wakeups.close()
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
    del valkey_socket
    wakeups.ring(["parent"])
    ear = Ear(["child"], 3)
    child = os.fork()
    if child == 0:
        wakeups.ring(["child"])
        wakeups.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert ear.all() == ["child"]
    wakeups.close()


def test_a_folder_as_cache_means_no_layer() -> None:
    from pydantic import SecretStr

    assert layers(SecretStr("file:///var/cache")) == {}
    assert layers(None) == {}
    found = layers(SecretStr("redis://one:6379/0;redis://two:6379/0"))
    assert found["default"]["CONFIG"]["hosts"][0]["address"] == "redis://one:6379/0"
