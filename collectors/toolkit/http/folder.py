"""A web server for one folder, on the loopback address: what a package installed is collected like any other site."""

from __future__ import annotations

import threading
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Files(SimpleHTTPRequestHandler):
    """Files of one folder: no listings, nothing outside of it, not a word on the terminal."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes; without this the second waits 40 ms for the client's acknowledgement of the first.
    disable_nagle_algorithm = True
    timeout = 30

    def translate_path(self, path: str) -> str:
        # The base class deals with ".."; this is about links that lead out of the folder, and names no file can have.
        found = super().translate_path(path)
        try:
            return found if Path(found).resolve().is_relative_to(self.directory) else ""
        except ValueError:
            return ""

    def list_directory(self, path: Any) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class FolderSite:
    """Serves `folder` from a free port until `close`, or as long as a `with` lasts, which gives its URL.

        with FolderSite(Path("/usr/share/doc/socat")) as url:
            page = self.request.get(f"{url}socat.html")

    The source that asks it has to allow itself the address: `allowed_networks = ("127.0.0.1",)`.
    """

    def __init__(self, folder: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder.resolve())))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="folder-site", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> str:
        return self.url

    def __exit__(self, *exc: object) -> None:
        self.close()
