"""What address sites see behind a proxy, by real proxies and real judges."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.toolkit.http import Proxy, networks
from collectors.toolkit.http.judging import BadAnswer, Court, Judge, address_of, answer_of
from tests.servers.forward_proxy import ForwardProxy, JudgeServer, forward_proxy, judge_server

LOOPBACK = networks("127.0.0.0/8")
EGRESS = "127.0.0.7"


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with forward_proxy(EGRESS, user="us er", password="p@ss/word") as running:
        yield running


@pytest.fixture
def judges() -> Iterator[list[JudgeServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(judge_server()) for _ in range(3)]


def court(judges: list[JudgeServer], *, proven: int = 0, **options: Any) -> Court:
    """The first `proven` of them prove what they say."""
    known = [Judge(judge.url, is_proven if place < proven else None) for place, judge in enumerate(judges)]
    return Court(known, allowed=LOOPBACK, **options)


def seal(address: str, nonce: str) -> str:
    return hashlib.sha256(f"secret {address} {nonce}".encode()).hexdigest()


def is_proven(data: Mapping[str, Any], nonce: str) -> bool:
    return data.get("proof") == seal(str(data.get("ip")), nonce)


def proving(address: str, query: str) -> tuple[int, bytes]:
    nonce = parse_qs(query)["nonce"][0]
    return 200, json.dumps({"ip": address, "proof": seal(address, nonce)}).encode()


def test_two_judges_that_agree_are_enough(proxy: ForwardProxy, judges: list[JudgeServer]) -> None:
    found = court(judges).judge(Proxy(proxy.url))

    assert (found.verdict, found.address) == ("GOOD", EGRESS)
    assert [judge.asked for judge in judges] == [1, 1, 0]


@pytest.mark.parametrize(
    "answer",
    [
        (500, b'{"ip": "127.0.0.7"}'),
        (302, b""),
        (200, b"127.0.0.7"),
        (200, b'["127.0.0.7"]'),
        (200, b'{"ip": "127.0.0.7, 10.0.0.1"}'),
        (200, b'{"ip": "127.0.0.777"}'),
        (200, b'{"ip": "10.1.1.1"}'),
        (200, b'{"ip": 7}'),
        (200, b'{"ip": "127.0.0.7", "more": "' + b"x" * 5000 + b'"}'),
        (200, b"[" * 4000),
    ],
)
def test_a_judge_that_makes_no_sense_is_passed_over(
    proxy: ForwardProxy, judges: list[JudgeServer], answer: tuple[int, bytes]
) -> None:
    judges[0].answer = lambda _address, _query: answer

    found = court(judges).judge(Proxy(proxy.url))

    assert (found.verdict, found.address) == ("GOOD", EGRESS)
    assert [judge.asked for judge in judges] == [1, 1, 1]


def test_one_judge_of_three_is_too_few(proxy: ForwardProxy, judges: list[JudgeServer]) -> None:
    for judge in judges[1:]:
        judge.answer = lambda _address, _query: (503, b"")

    found = court(judges).judge(Proxy(proxy.url))

    assert found.verdict == "UNCLEAR"
    assert "Too few judges answered" in found.said


def test_judges_that_disagree_settle_nothing(proxy: ForwardProxy, judges: list[JudgeServer]) -> None:
    judges[0].answer = lambda _address, _query: (200, b'{"ip": "127.0.9.0"}')
    judges[1].answer = lambda _address, _query: (200, b'{"ip": "127.0.9.1"}')

    found = court(judges).judge(Proxy(proxy.url))

    assert found.verdict == "UNCLEAR"
    assert "The judges disagree" in found.said


def test_a_proxy_that_writes_answers_itself_is_found_out(proxy: ForwardProxy, judges: list[JudgeServer]) -> None:
    proxy.mode, proxy.lie = "lies", "127.9.9.9"
    # Judges that prove nothing believe it.
    assert court(judges).judge(Proxy(proxy.url)).address == "127.9.9.9"

    judges[2].answer = proving
    found = court([judges[2], *judges[:2]], proven=1).judge(Proxy(proxy.url))

    assert found.verdict == "LIES"
    assert "somebody on the way has written it" in found.said


def test_a_proxy_that_shows_each_site_another_address_is_found_out(
    proxy: ForwardProxy, judges: list[JudgeServer]
) -> None:
    judges[0].answer = proving
    judges[1].answer = lambda _address, _query: (200, b'{"ip": "127.9.9.9"}')

    found = court(judges[:2], proven=1).judge(Proxy(proxy.url))

    assert (found.verdict, found.address) == ("LIES", EGRESS)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("refuses", ""), ("hangs", "was not complete within"), ("cuts", "")],
)
def test_a_proxy_that_does_not_carry_is_no_good(
    proxy: ForwardProxy, judges: list[JudgeServer], mode: str, words: str
) -> None:
    proxy.mode = mode

    found = court(judges[:2], seconds=0.3).judge(Proxy(proxy.url))

    assert found.verdict == "FAILED"
    assert words in found.said
    assert "p@ss" not in found.said


def test_a_proxy_that_does_not_know_us_is_told_apart(proxy: ForwardProxy, judges: list[JudgeServer]) -> None:
    found = court(judges).judge(Proxy(f"http://user:wrong@{proxy.where}"))

    assert found.verdict == "REFUSED"
    assert sum(judge.asked for judge in judges) == 0


def test_without_judges_a_proxy_is_known_by_its_name() -> None:
    found = Court([]).judge(Proxy("http://user:secret@proxy.example:3128"))

    assert (found.verdict, found.address) == ("GOOD", "proxy.example:3128")


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.text(max_size=40),
        lambda inner: st.dictionaries(st.sampled_from(["ip", "origin", "address"]), inner, max_size=2),
    ).map(lambda data: json.dumps(data).encode())
)
def test_whatever_a_judge_says_is_an_address_or_no_answer(body: bytes) -> None:
    try:
        address = address_of(answer_of(body))
    except BadAnswer:
        return
    assert str(ipaddress.ip_address(address)) == address
