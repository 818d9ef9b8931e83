"""What address sites see behind a proxy: judges say so, and at least two have to agree.

A judge is a page that answers with the caller's address as JSON. One of the platform's own also proves that nobody on
the way has written its answer: what others say against it is a lie of the proxy.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from collectors.toolkit.errors import FetchError, ProxyFailed, Reaction
from collectors.toolkit.http.client import Request
from collectors.toolkit.http.guard import Guard, Network, Refused, networks
from collectors.toolkit.http.profile import TLS, Limits, Profile, Proxy, Retries

QUORUM = 2
MOST_BYTES = 4096
SECONDS = 10.0
#: Where judges write the address.
FIELDS = ("ip", "origin", "address", "ip_addr")

VerdictName = Literal["GOOD", "UNCLEAR", "FAILED", "REFUSED", "LIES"]
#: Whether an answer (its JSON) to a nonce was written by us.
Proof = Callable[[Mapping[str, Any], str], bool]


@dataclass(frozen=True, slots=True)
class Judge:
    """A page that answers with the caller's address. With `proves` it is sent `?nonce=...`, and has to prove itself."""

    url: str
    proves: Proof | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """For messages."""
        return httpx.URL(self.url).netloc.decode("ascii")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judges found."""

    verdict: VerdictName
    address: str = ""
    said: str = ""


class BadAnswer(ValueError):
    """This is no answer of a judge; the message is the end of a sentence."""


class Forged(BadAnswer):
    """It looks like an answer, and the judge did not write it."""


class Court:
    """Asks the judges by one proxy after the other. Not thread-safe."""

    def __init__(
        self,
        judges: Sequence[Judge],
        *,
        allowed: tuple[Network, ...] = (),
        tls: TLS | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """Addresses that are not public count only in `allowed` networks."""
        # Those that prove themselves first: against them the others are measured.
        self._judges = sorted(judges, key=lambda judge: judge.proves is None)
        self._guard = Guard(allowed)
        self._profile = Profile(
            timeout_s=seconds,
            limits=Limits(bytes=MOST_BYTES, seconds=seconds, redirects=0),
            retries=Retries(count=0),
            # Judges are named by whoever runs the platform, and may be its own.
            allowed=networks("0.0.0.0/0 ::/0"),
            tls=tls or TLS(),
        )

    def judge(self, proxy: Proxy) -> Judgement:
        """What the judges say of `proxy`. Raises nothing that a proxy or a judge can bring about."""
        if not self._judges:
            return Judgement("GOOD", proxy.label, "There is no judge to ask (DC_PROXIES_JUDGES).")
        client = Request(self._profile)
        client.set_proxy(proxy)
        try:
            return self._ask(client)
        finally:
            client.close()

    def _ask(self, client: Request) -> Judgement:
        votes: dict[str, list[str]] = {}
        faults: list[str] = []
        proven = ""
        quorum = min(QUORUM, len(self._judges))
        for judge in self._judges:
            try:
                address, is_proven = self._answer_of(client, judge)
            except ProxyFailed as error:
                return Judgement("REFUSED" if error.reaction is Reaction.STOP else "FAILED", said=str(error))
            except FetchError as error:
                faults.append(str(error))
                continue
            except Forged as error:
                return Judgement("LIES", said=f"{judge.name} {error}.")
            except BadAnswer as error:
                faults.append(f"{judge.name} {error}.")
                continue
            votes.setdefault(address, []).append(judge.name)
            proven = address if is_proven else proven
            if proven and len(votes) > 1:
                return Judgement("LIES", proven, f"Its address is {proven}. {_told(votes)}")
            if len(votes) == 1 and len(votes[address]) >= quorum:
                return Judgement("GOOD", address, _told(votes))
        return _undecided(votes, faults)

    def _answer_of(self, client: Request, judge: Judge) -> tuple[str, bool]:
        """The address it says, and whether it proved that it said so."""
        nonce = secrets.token_hex(16)
        page = client.get(
            judge.url, follow_redirects=False, params={"nonce": nonce} if judge.proves is not None else None
        )
        data = answer_of(page.content)
        address = self._address_of(data)
        if judge.proves is None:
            return address, False
        if not judge.proves(data, nonce):
            # A proxy that can write one answer can write all of them.
            raise Forged("answers without its proof: somebody on the way has written it")
        return address, True

    def _address_of(self, data: Mapping[str, Any]) -> str:
        address = address_of(data)
        try:
            self._guard.check(address)
        except Refused:
            raise BadAnswer(f"says {address}, which is no address of the internet") from None
        return address


def answer_of(body: bytes) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises `BadAnswer`."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise BadAnswer("answers with something that is no JSON") from None
    if not isinstance(data, dict):
        raise BadAnswer("answers with JSON that is no object")
    return data


def address_of(data: Mapping[str, Any]) -> str:
    """The one address in an answer, in its usual spelling. Raises `BadAnswer`.

    A list of addresses is none: its first part may be our own, which the proxy has passed on.
    """
    value = next((data[name] for name in FIELDS if name in data), None)
    if not isinstance(value, str):
        raise BadAnswer("names no address")
    try:
        address = ipaddress.ip_address(value.strip()[:64])
    except ValueError:
        raise BadAnswer(f"says {value[:60]!r}, which is not one address") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _undecided(votes: Mapping[str, Sequence[str]], faults: Sequence[str]) -> Judgement:
    told = " ".join(filter(None, [_told(votes), *faults]))
    if len(votes) > 1:
        return Judgement("UNCLEAR", said=f"The judges disagree. {told}")
    if votes:
        return Judgement("UNCLEAR", said=f"Too few judges answered. {told}")
    return Judgement("FAILED", said=told)


def _told(votes: Mapping[str, Sequence[str]]) -> str:
    return " ".join(f"{', '.join(names)}: {address}." for address, names in votes.items())
