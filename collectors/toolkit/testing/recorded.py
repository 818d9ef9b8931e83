"""Answers of a real site, recorded once and replayed ever after.

    def test_it_collects_the_list():
        context = make_context(Prices.Args(), app="shop.books.prices", clients=recorded(FIXTURES))
        assert Prices(context).run().complete

With `DC_TEST_RECORD=1` in the environment the test goes out to the site and writes down what came, else it answers from
that and reaches nothing. Passwords stay out: no header and no body of a request is kept, values of cookies and of
parameters that look like secrets are masked. Fields of forms and of JSON that are called like secrets do not count when
requests are told apart, so that a login recorded with the real password is replayed with any.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import re
import threading
from collections import defaultdict, deque
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

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
#: Who records is a developer at their own machine, where the site may be as well.
_HERE = networks("127.0.0.0/8 ::1")
_redactor = Redactor()


class NotRecorded(AssertionError):
    """The source asks for something that the recording does not have."""


def recorded(folder: Path, *, profile: Profile | None = None) -> ClientPool:
    """Clients that replay what `folder` holds, or record into it if `DC_TEST_RECORD` is set.

    Recording begins anew: what the folder held before is replaced. Replaying, the same question asked again gets the
    next answer that was recorded for it, and the last one from then on. What `profile` tries again is tried again when
    it is replayed too, without waiting.
    """
    profile = profile or Profile(allowed=_HERE)
    return recording_into(folder, profile) if is_recording() else replaying(folder, profile)


def is_recording() -> bool:
    """Whether the tests go out to the sites, to record what they say."""
    return bool(os.environ.get(VARIABLE))


def recording_into(folder: Path, profile: Profile) -> ClientPool:
    """Clients that fetch, and write down what came."""
    recorder = _Recorder(folder)
    session = Session(profile)
    return ClientPool(lambda: Request(session=session, transports=recorder))


def replaying(folder: Path, profile: Profile) -> ClientPool:
    """Clients that know what `folder` holds and nothing else."""
    replay = AnsweringTransports(Answering(_Replay(folder)))
    retries = Retries(count=profile.retries.count, base_s=0.0)
    session = Session(replace(profile, retries=retries, allowed=_EVERYWHERE, cache=None, proxy=None))
    return ClientPool(lambda: Request(session=session, transports=replay))


class _Recorder(Transports):
    """The real transports, with somebody writing down what they bring."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._lock = threading.Lock()
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
        with self._lock:
            self._count += 1
            number = self._count
        request = page.request
        slug = re.sub(r"[^a-z0-9]+", "-", f"{request.method} {request.url.host}{request.url.path}".lower())[:60]
        name = f"{number:04}-{slug.strip('-')}"
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
        self._lock = threading.Lock()
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
        with self._lock:
            is_last = len(answers) == 1
            about = answers[0] if is_last else answers.popleft()
        # What comes next is known already: nobody has to wait for it.
        headers = [(name, value) for name, value in about["headers"] if is_last or name.lower() != "retry-after"]
        content = (self._folder / about["body"]).read_bytes()
        return httpx.Response(about["status"], headers=headers, content=content)


def _question(request: httpx.Request) -> dict[str, Any]:
    """What tells requests apart, without what is secret in them."""
    url = request.url.copy_with(userinfo=b"", fragment=None)
    if url.query:
        masked: list[tuple[str, str | int | float | bool | None]] = [
            (name, MASK if _redactor.is_secret_key(name) else value) for name, value in url.params.multi_items()
        ]
        url = url.copy_with(params=httpx.QueryParams(masked))
    sent = _harmless(request)
    return {
        "method": request.method,
        "url": str(url),
        "sent": hashlib.sha256(sent).hexdigest()[:16] if sent else "",
    }


def _harmless(request: httpx.Request) -> bytes:
    """What was sent, without the values of fields that are called like secrets."""
    content, kind = request.content, request.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        pairs = parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)
        shown = [[name, MASK if _redactor.is_secret_key(name) else value] for name, value in pairs]
        return json.dumps(shown).encode()
    if "json" in kind:
        try:
            return json.dumps(_redactor.redact(json.loads(content)), sort_keys=True).encode()
        except ValueError:
            return content
    return content


def _key(about: dict[str, Any]) -> str:
    return f"{about['method']} {about['url']} {about['sent']}"


def _without_value(name: bytes, value: bytes) -> bytes:
    if name.lower() == b"set-cookie":
        return re.sub(rb"^([^=;]*=)[^;]*", rb"\1recorded", value)
    return value
