"""A small site that speaks HTTP/2 over TLS, and nothing else."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived


def _serve(connection: ssl.SSLSocket, streams: list[int]) -> None:
    h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    h2.initiate_connection()
    connection.sendall(h2.data_to_send())
    while data := connection.recv(65536):
        for event in h2.receive_data(data):
            if isinstance(event, RequestReceived) and event.stream_id is not None:
                streams.append(event.stream_id)
                path = next(value for name, value in event.headers or [] if name == b":path")
                h2.send_headers(event.stream_id, [(":status", "200"), ("content-type", "text/plain")])
                h2.send_data(event.stream_id, path, end_stream=True)
        connection.sendall(h2.data_to_send())


@contextmanager
def http2_site(tls: ssl.SSLContext) -> Iterator[tuple[str, list[list[int]]]]:
    """Its base URL, and for each connection the streams that requests came on."""
    tls.set_alpn_protocols(["h2"])
    connections: list[list[int]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    streams: list[int] = []
                    connections.append(streams)
                    secure = tls.wrap_socket(plain, server_side=True)
                    threading.Thread(target=_quietly, args=(secure, streams), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", connections
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _quietly(connection: ssl.SSLSocket, streams: list[int]) -> None:
    with suppress(OSError), connection:
        _serve(connection, streams)
