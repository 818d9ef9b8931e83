"""A web server with one page of 2 KB on the loopback address: nginx where the machine has it, else our own.

Ours answers from one buffer without looking at the request, on uvloop: quicker than every client that is measured.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

PAGE = b"x" * 2048
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Type: text/html\r\n"
    b'Content-Length: 2048\r\nLast-Modified: Mon, 23 Nov 2026 11:00:00 GMT\r\nETag: "6b04674a-800"\r\n\r\n' + PAGE
)
_NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; types {{ text/html html; }}
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
"""


@contextmanager
def serving() -> Iterator[tuple[str, str]]:
    """The URL of the page, and who serves it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nginx = shutil.which("nginx")
    with tempfile.TemporaryDirectory(prefix="dc-bench-") as name:
        folder = Path(name)
        # Its worker is nobody, who has to find the page.
        folder.chmod(0o755)
        command = [sys.executable, "-m", "benchmarks.fetch_server", str(port)]
        if nginx:
            (folder / "www").mkdir()
            (folder / "www" / "page.html").write_bytes(PAGE)
            (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port))
            command = [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
        server = subprocess.Popen(command)
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/page.html", "nginx" if nginx else "own server"
        finally:
            server.terminate()
            server.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("The web server did not begin to listen.")


class _Page(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # That of uvloop can write, and says so to nobody.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(_ANSWER * data.count(b"\r\n\r\n"))


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Page, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))
