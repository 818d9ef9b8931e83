from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.toolkit.http.folder import FolderSite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "page.html").write_text("<p>Hello</p>")
    (tmp_path / "secret.html").write_text("not for you")
    (site / "way-out.html").symlink_to(tmp_path / "secret.html")
    return site


@pytest.fixture
def origin(folder: Path) -> Iterator[FolderSite]:
    origin = FolderSite(folder)
    with origin:
        yield origin


def ask(origin: FolderSite, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Sends the path as it is; a real client would tidy it up first."""
    connection = http.client.HTTPConnection(origin.url.removeprefix("http://").rstrip("/"), timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_it_serves_files(origin: FolderSite) -> None:
    assert ask(origin, "/page.html") == (200, b"<p>Hello</p>")


@pytest.mark.parametrize(
    "path",
    [
        "/absent.html",
        "/../secret.html",
        "/%2e%2e/secret.html",
        "/sub/../../secret.html",
        "//secret.html",
        "/..%2fsecret.html",
        "/way-out.html",
        "/page.html%00",
        "/sub/",
        "/",
    ],
)
def test_it_gives_nothing_else(origin: FolderSite, path: str) -> None:
    status, body = ask(origin, path)

    assert status == 404
    assert b"not for you" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_cannot_be_written_to(origin: FolderSite, method: str) -> None:
    assert ask(origin, "/page.html", method)[0] == 501


def test_it_says_nothing_on_the_terminal(origin: FolderSite, capfd: pytest.CaptureFixture[str]) -> None:
    ask(origin, "/page.html")
    ask(origin, "/absent.html")

    assert capfd.readouterr() == ("", "")


def test_it_listens_on_the_loopback_address_only(origin: FolderSite) -> None:
    assert origin.url.startswith("http://127.0.0.1:")


def test_it_frees_its_port_and_its_thread(folder: Path) -> None:
    origin = FolderSite(folder)
    origin.close()

    with pytest.raises(ConnectionRefusedError):
        ask(origin, "/page.html")
    assert "folder-site" not in [thread.name for thread in threading.enumerate()]
