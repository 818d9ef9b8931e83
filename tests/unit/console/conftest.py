"""The demo shop for tests: a client, its clock, and a real web server on the loopback address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.test import Client

from apps.console import demo
from tests.servers.demo_shop import demo_shop

NOON = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def client() -> Client:
    return Client(headers={"host": "localhost"})


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock of the shop, which stands at noon."""

    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(demo, "utc_now", lambda: moment)

    set_to(NOON)
    return set_to


@pytest.fixture
def shop_url() -> Iterator[str]:
    """The shop behind a real web server on the loopback address."""
    with demo_shop() as url:
        yield url
