"""Static files come with and without an event loop."""

from __future__ import annotations

from pathlib import Path

from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncClient, Client

FILE = "console/live.js"
LENGTH = len((Path(settings.STATICFILES_DIRS[0]) / FILE).read_bytes())


def test_a_chain_without_an_event_loop_serves_them(client: Client) -> None:
    response = client.get(f"/static/{FILE}")
    assert (response.status_code, response.headers["Content-Length"]) == (200, str(LENGTH))
    assert response.headers["Content-Type"].startswith("text/javascript")


def test_a_chain_with_one_does_too(async_client: AsyncClient) -> None:
    response = async_to_sync(async_client.get)(f"/static/{FILE}")
    assert (response.status_code, response.headers["Content-Length"]) == (200, str(LENGTH))


def test_what_is_no_file_goes_on_to_the_site(client: Client) -> None:
    assert client.get("/static/console/nothing.js").status_code == 404
