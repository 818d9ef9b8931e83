"""The demo shop for tests: a client, its clock, and a real web server on the loopback address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client

from apps.console import demo

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
    with make_server("127.0.0.1", 0, WSGIHandler(), server_class=Threads, handler_class=QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/demo/"
        server.shutdown()
        thread.join()


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
