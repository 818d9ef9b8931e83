"""HTTP clients that answer from memory. Everything but the network is real: URLs, redirects, statuses, errors."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import httpx

from collectors.toolkit.http import Profile, Request, Retries, networks
from collectors.toolkit.testing.transports import Answering, AnsweringTransports

#: What a URL answers: the body, the file that holds it, a bare status, or a function for everything else.
Answer: TypeAlias = bytes | str | Path | int | Callable[[httpx.Request], httpx.Response]


class CannedClients:
    """Hands out one client that knows `answers` and nothing else; any other URL is an unreachable site.

        CannedClients({
            "https://shop.example/": "<html>...",
            "https://shop.example/?page=2": Path(__file__).parent / "page2.html",
            "https://shop.example/gone": 404,
        })

    The order of query parameters counts, as it does on the wire; fragments are not sent. `requests` lists what was
    asked for. A function may raise errors of httpx, such as `httpx.ReadTimeout`. Nothing is asked for a second time
    after an error, unless `retries` says how often; that never waits.
    """

    def __init__(self, answers: Mapping[str, Answer] | None = None, *, retries: int = 0) -> None:
        self.requests: list[httpx.Request] = []
        self._answers: dict[str, Answer] = {}
        self._client = Request(
            Profile(retries=Retries(count=retries, base_s=0.0), allowed=networks("0.0.0.0/0 ::/0")),
            transports=AnsweringTransports(Answering(self._respond)),
        )
        for url, answer in (answers or {}).items():
            self.answer(url, answer)

    @classmethod
    def from_folder(cls, folder: Path, base_url: str) -> CannedClients:
        """Answers for every file below `folder`, as a web server at `base_url` would give them.

        An `index.html` answers for its folder too.
        """
        clients = cls()
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            url = f"{base_url.rstrip('/')}/{file.relative_to(folder).as_posix()}"
            clients.answer(url, file)
            if file.name == "index.html":
                clients.answer(url.removesuffix("index.html"), file)
        return clients

    @property
    def urls(self) -> list[str]:
        """The URLs that were asked for, in order."""
        return [str(request.url) for request in self.requests]

    def answer(self, url: str, answer: Answer) -> None:
        """Teach it one more URL, or another answer for one it knows."""
        self._answers[_key(httpx.URL(url))] = answer

    def current(self) -> Request:
        """The client; the same one for every thread."""
        return self._client

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.get(_key(request.url))
        match answer:
            case None:
                raise httpx.ConnectError("the test gives no answer for this URL")
            case int():
                return httpx.Response(answer)
            case bytes():
                return httpx.Response(200, content=answer)
            case str():
                return httpx.Response(200, html=answer)
            case Path():
                kind = mimetypes.guess_type(answer.name)[0] or "application/octet-stream"
                return httpx.Response(200, content=answer.read_bytes(), headers={"Content-Type": kind})
        return answer(request)


def _key(url: httpx.URL) -> str:
    """What is sent: `https://shop.example` and `https://shop.example/#top` are one URL."""
    return f"{url.scheme}://{url.netloc.decode()}{url.raw_path.decode()}"
