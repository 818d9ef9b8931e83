"""Both ways to drive a `Request`, under one face: what is tested of one is tested of the other."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from collectors.toolkit.http import Profile, Request, Retries, networks

LOOPBACK = networks("127.0.0.1, ::1")
ONCE = Retries(count=0)
HERE = Profile(allowed=LOOPBACK, retries=ONCE)
QUICK = Profile(allowed=LOOPBACK, retries=Retries(count=3, base_s=0.01))
WAYS = ["plain", "looped"]


class Driver:
    """A client that is called plainly, or in an event loop of its own."""

    def __init__(self, way: str, profile: Profile = HERE, **options: Any) -> None:
        self.client = Request(profile, **options)
        self._runner = asyncio.Runner() if way == "looped" else None

    def send(self, method: str, url: str, **options: Any) -> httpx.Response:
        if self._runner is None:
            return self.client.send(method, url, **options)
        return self._runner.run(self.client.asend(method, url, **options))

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.send("GET", url, **options)

    def close(self) -> None:
        if self._runner is None:
            self.client.close()
            return
        self._runner.run(self.client.aclose())
        self._runner.close()
