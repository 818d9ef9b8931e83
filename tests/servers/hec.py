"""A stand-in for Splunk's HTTP Event Collector that fails in all the ways the real one does.

    with collector() as hec:
        hec.mode = "busy"

What arrived is in `hec.events`, in the order of its arrival, doubles included. The certificates in `certificates/` were
signed by the authority there: `valid.pem` for 127.0.0.1 until 2120, `expired.pem` until February 2020.
"""

from __future__ import annotations

import gzip
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = CERTIFICATES / "authority.pem"
TOKEN = "11111111-2222-3333-4444-555555555555"
#: A line with this word is one that Splunk cannot read.
POISON = "poison"

#: Mode -> status, answer and headers of a collector that takes nothing.
REFUSALS: dict[str, tuple[int, Any, dict[str, str]]] = {
    "busy": (503, {"text": "Server is busy", "code": 9}, {}),
    "throttling": (429, {"text": "Too many requests", "code": 26}, {"Retry-After": "120"}),
    "broken": (500, {"text": "Internal server error", "code": 8}, {}),
    "disabled": (403, {"text": "Token disabled", "code": 1}, {}),
    "wrong index": (400, {"text": "Incorrect index", "code": 7, "invalid-event-number": 0}, {}),
    "wants a channel": (400, {"text": "Data channel is missing", "code": 10}, {}),
    "moved": (302, {}, {"Location": "http://127.0.0.1:9/steal-the-token"}),
    "not splunk": (200, "<html>Welcome</html>", {}),
    "lying": (200, {"text": "Something else", "code": 99}, {}),
}


@dataclass
class Collector:
    """What the test sets, and what the server saw."""

    mode: str = "fine"
    token: str = TOKEN
    most_bytes: int = 800_000
    delay_s: float = 0.0
    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    channels: set[str] = field(default_factory=set)
    polls: int = 0
    lock: Lock = field(default_factory=Lock)
    stopped: Event = field(default_factory=Event)
    goes_on: Event = field(default_factory=Event)
    """A test that clears it holds every answer up until it sets it again."""
    acknowledged: dict[int, int] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """The ids of the events, in the order in which they came."""
        return [event["fields"]["event_id"] for event in self.events]

    @property
    def messages(self) -> list[str]:
        """What the events say."""
        return [event["event"]["message"] for event in self.events]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hec: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.hec.lock:
            self.hec.requests += 1
        self.hec.goes_on.wait()
        if self.hec.delay_s and self.hec.stopped.wait(self.hec.delay_s):
            return
        if self.headers.get("Authorization") != f"Splunk {self.hec.token}":
            self._answer(403, {"text": "Invalid token", "code": 4})
        elif self.hec.mode in REFUSALS:
            status, answer, headers = REFUSALS[self.hec.mode]
            self._answer(status, answer, headers)
        elif self.path.startswith("/services/collector/ack"):
            self._tell_acks(json.loads(body)["acks"])
        elif self.hec.mode == "hangs up":
            self.close_connection = True
        elif len(body) > self.hec.most_bytes:
            self._answer(413, {"text": "Content too large", "code": 27})
        else:
            self._take(body)

    def _take(self, body: bytes) -> None:
        events = [json.loads(line) for line in body.split(b"\n")]
        bad = next((place for place, event in enumerate(events) if POISON in event["event"]["message"]), None)
        with self.hec.lock:
            self.hec.events += events[:bad]
            ack_id = len(self.hec.acknowledged)
            self.hec.acknowledged[ack_id] = 0
        if bad is not None:
            self._answer(400, {"text": "Invalid data format", "code": 6, "invalid-event-number": bad})
        elif self.hec.mode == "takes and hangs up":
            self.close_connection = True
        elif (channel := self.headers.get("X-Splunk-Request-Channel")) and self.hec.mode != "no acks":
            self.hec.channels.add(channel)
            self._answer(200, {"text": "Success", "code": 0, "ackId": ack_id})
        else:
            self._answer(200, {"text": "Success", "code": 0})

    def _tell_acks(self, ids: list[int]) -> None:
        """An acknowledgement comes with the third question, or never."""
        acks = {}
        with self.hec.lock:
            self.hec.polls += 1
            for ack_id in ids:
                self.hec.acknowledged[ack_id] += 1
                acks[str(ack_id)] = self.hec.mode != "never acknowledges" and self.hec.acknowledged[ack_id] >= 3
        self._answer(200, {"acks": acks})

    def _answer(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what some tests are about."""


@contextmanager
def collector(*, certificate: str = "") -> Iterator[Collector]:
    """A running collector; with the name of a certificate it speaks TLS."""
    hec = Collector()
    hec.goes_on.set()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hec": hec}))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    hec.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hec
    finally:
        hec.stopped.set()
        hec.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
