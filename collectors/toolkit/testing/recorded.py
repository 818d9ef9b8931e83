"""Answers of a real site, recorded once and replayed ever after.

    def test_it_collects_the_list():
        context = make_context(Prices.Args(), app="shop.books.prices", clients=recorded(FIXTURES))
        assert Prices(context).run().complete

With `DC_TEST_RECORD=1` in the environment the test goes out to the site and writes down what came, else it answers from
that and reaches nothing. Passwords stay out: no header and no body of a request is kept, values of cookies and of
parameters that look like secrets are masked.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import re
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import httpx

from collectors.toolkit.http import ClientPool, Profile, Request, Retries, Session, networks
from collectors.toolkit.http.answer import Exchange, Page
from collectors.toolkit.http.profile import Profile as _Profile
from collectors.toolkit.http.wires import AsyncWire, Transports, Wire
from collectors.toolkit.journal.redaction import MASK, Redactor
from collectors.toolkit.testing.transports import Answering, AnsweringTransports

VARIABLE = "DC_TEST_RECORD"
#: What describes the body as it was on the wire; what is kept is unpacked.
_OF_WIRE = frozenset({b"content-encoding", b"content-length", b"transfer-encoding", b"connection"})
_EVERYWHERE = networks("0.0.0.0/0 ::/0")
_redactor = Redactor()


class NotRecorded(AssertionError):
    """The source asks for something that the recording does not have."""


def recorded(folder: Path, *, profile: Profile | None = None) -> ClientPool:
    """Clients that replay what `folder` holds, or record into it if `DC_TEST_RECORD` is set.

    Recording begins anew: what the folder held before is replaced. Replaying, the same question asked again gets the
    next answer that was recorded for it, and the last one from then on.
    """
    if os.environ.get(VARIABLE):
        recorder = _Recorder(folder)
        session = Session(profile or Profile())
        return ClientPool(lambda: Request(session=session, transports=recorder))
    replay = AnsweringTransports(Answering(_Replay(folder)))
    session = Session(Profile(retries=Retries(count=0), allowed=_EVERYWHERE))
    return ClientPool(lambda: Request(session=session, transports=replay))


class _Recorder(Transports):
    """The real transports, with somebody writing down what they bring."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("[0-9][0-9][0-9][0-9]-*"):
            file.unlink()

    def plain(self, profile: _Profile) -> Wire:
        """See `Transports`."""
        return _PlainTap(super().plain(profile), self)

    def looped(self, profile: _Profile) -> AsyncWire:
        """See `Transports`."""
        return _LoopedTap(super().looped(profile), self)

    def keep(self, page: Page) -> Page:
        """Write an answer down."""
        self._count += 1
        request = page.request
        slug = re.sub(r"[^a-z0-9]+", "-", f"{request.method} {request.url.host}{request.url.path}".lower())[:60]
        name = f"{self._count:04}-{slug.strip('-')}"
        kind = page.headers.get("content-type", "").partition(";")[0].strip()
        body = self._folder / f"{name}{mimetypes.guess_extension(kind) or '.bin'}"
        body.write_bytes(page.content)
        about = {
            **_question(request),
            "status": page.status_code,
            "headers": [
                [key.decode("latin-1"), _without_value(key, value).decode("latin-1")]
                for key, value in page.headers.raw
                if key.lower() not in _OF_WIRE
            ],
            "body": body.name,
        }
        (self._folder / f"{name}.answer.json").write_text(json.dumps(about, indent=1) + "\n")
        return page


class _PlainTap:
    def __init__(self, wire: Wire, recorder: _Recorder) -> None:
        self._wire, self._recorder = wire, recorder

    def send(self, exchange: Exchange) -> Page:
        return self._recorder.keep(self._wire.send(exchange))

    def close(self) -> None:
        self._wire.close()


class _LoopedTap:
    def __init__(self, wire: AsyncWire, recorder: _Recorder) -> None:
        self._wire, self._recorder = wire, recorder

    async def send(self, exchange: Exchange) -> Page:
        return self._recorder.keep(await self._wire.send(exchange))

    async def aclose(self) -> None:
        await self._wire.aclose()


class _Replay:
    """Answers from a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
        for file in sorted(folder.glob("*.answer.json")):
            about = json.loads(file.read_text())
            self._answers[_key(about)].append(about)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        question = _question(request)
        answers = self._answers.get(_key(question))
        if not answers:
            raise NotRecorded(
                f"{question['method']} {question['url']} is not among the answers in {self._folder}: "
                f"record them again with {VARIABLE}=1."
            )
        about = answers.popleft() if len(answers) > 1 else answers[0]
        content = (self._folder / about["body"]).read_bytes()
        return httpx.Response(about["status"], headers=[tuple(pair) for pair in about["headers"]], content=content)


def _question(request: httpx.Request) -> dict[str, Any]:
    """What tells requests apart, without what is secret in them."""
    url = request.url.copy_with(userinfo=b"", fragment=None)
    if url.query:
        masked: list[tuple[str, str | int | float | bool | None]] = [
            (name, MASK if _redactor.is_secret_key(name) else value) for name, value in url.params.multi_items()
        ]
        url = url.copy_with(params=httpx.QueryParams(masked))
    body = hashlib.sha256(request.content).hexdigest()[:16] if request.content else ""
    return {"method": request.method, "url": str(url), "sent": body}


def _key(about: dict[str, Any]) -> str:
    return f"{about['method']} {about['url']} {about['sent']}"


def _without_value(name: bytes, value: bytes) -> bytes:
    if name.lower() == b"set-cookie":
        return re.sub(rb"^([^=;]*=)[^;]*", rb"\1recorded", value)
    return value
