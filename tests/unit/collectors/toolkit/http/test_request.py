"""The rules of a request, against a real site that misbehaves, the same plainly and in an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from collectors.toolkit.errors import (
    BadStatus,
    BlockedPage,
    BrokenAnswer,
    CaptchaPage,
    FetchError,
    FetchTimeout,
    HostNotFound,
    Reaction,
    SiteUnreachable,
    TooLarge,
    TooManyRedirects,
)
from collectors.toolkit.http import Limits, Retries, reaction_to
from tests.unit.collectors.toolkit.http.drivers import HERE, QUICK, Driver

Drive = Callable[..., Driver]


# -- Attempts ---------------------------------------------------------------------------------------------------------


def test_a_get_is_tried_again_until_the_site_answers(site: str, drive: Drive, request: pytest.FixtureRequest) -> None:
    driver = drive(QUICK)

    assert driver.get(f"{site}/flaky/{request.node.name}/3").text == "at last"

    summary = driver.client.metrics.summary()
    assert (summary["count"], summary["retried"], summary["failed"]) == (4, 3, 0)
    assert summary["codes"] == {"503": 3, "200": 1}
    assert driver.client.metrics.error_rate == 0.0


def test_the_last_error_is_raised_when_no_attempt_is_left(site: str, drive: Drive) -> None:
    driver = drive(QUICK)

    with pytest.raises(BadStatus) as caught:
        driver.get(f"{site}/status/502")

    assert (caught.value.status, caught.value.reaction) == (502, Reaction.RETRY)
    assert driver.client.metrics.count == 4
    assert driver.client.metrics.failed == 1


def test_a_post_is_sent_once_unless_told_otherwise(site: str, drive: Drive, request: pytest.FixtureRequest) -> None:
    driver = drive(QUICK)
    key = request.node.name

    with pytest.raises(BadStatus):
        driver.send("POST", f"{site}/flaky/{key}/1", content=b"order")
    assert driver.client.metrics.count == 1
    assert driver.send("POST", f"{site}/flaky/{key}-2/1", content=b"order", retry=True).text == "at last"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_what_will_not_pass_is_not_tried_again(site: str, drive: Drive, status: int) -> None:
    driver = drive(QUICK)

    with pytest.raises(BadStatus):
        driver.get(f"{site}/status/{status}")

    assert driver.client.metrics.count == 1


@pytest.mark.parametrize("asked", ["1", "date"])
def test_it_waits_for_as_long_as_the_site_asks(
    site: str, drive: Drive, asked: str, request: pytest.FixtureRequest
) -> None:
    began = time.monotonic()

    assert drive(QUICK).get(f"{site}/retry-after/{request.node.name}/{asked}").text == "at last"

    # A date has whole seconds: two seconds from now is more than one second away.
    assert time.monotonic() - began >= 1.0


def test_it_gives_up_on_a_site_that_asks_to_wait_for_longer_than_anybody_would(
    site: str, drive: Drive, request: pytest.FixtureRequest
) -> None:
    driver = drive(QUICK)

    with pytest.raises(BadStatus) as caught:
        driver.get(f"{site}/retry-after/{request.node.name}/86400")

    assert caught.value.retry_after_s == 86400
    assert driver.client.metrics.count == 1


def test_a_run_that_is_to_stop_does_not_wait(site: str, drive: Drive) -> None:
    driver = drive(replace(HERE, retries=Retries(count=3, base_s=10_000.0, longest_s=10_000.0)))

    class Asked:
        def is_set(self) -> bool:
            return True

    driver.client.session.stop = Asked()

    with pytest.raises(BadStatus):
        driver.get(f"{site}/status/503")
    assert driver.client.metrics.count == 1


# -- Time and size ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["drip/60", "drip-headers/60"])
def test_a_drip_ends_at_the_deadline(site: str, drive: Drive, path: str) -> None:
    driver = drive(replace(HERE, limits=Limits(seconds=0.5)))

    with pytest.raises(FetchTimeout, match=r"was not complete within 0\.5 s"):
        driver.get(f"{site}/{path}")


def test_silence_has_a_limit_of_its_own(site: str, drive: Drive) -> None:
    with pytest.raises(FetchTimeout, match=r"did not answer within 0\.3 s"):
        drive().get(f"{site}/slow/5", timeout=0.3)


@pytest.mark.parametrize("path", ["huge/10000000000", "endless", "bomb/gzip/50000000", "bomb/br/50000000"])
def test_a_body_ends_at_its_limit(site: str, drive: Drive, path: str) -> None:
    driver = drive(replace(HERE, limits=Limits(bytes=100_000)))

    with pytest.raises(TooLarge, match="at most 100,000 bytes are taken") as caught:
        driver.get(f"{site}/{path}")

    assert caught.value.reaction is Reaction.SKIP


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip,gzip", "identity"])
def test_a_packed_body_is_unpacked(site: str, drive: Drive, encoding: str) -> None:
    assert drive().get(f"{site}/bomb/{encoding.replace(',', '%2C')}/70000").content == bytes(70_000)


def test_a_body_in_an_encoding_that_nobody_asked_for_is_an_error(site: str, drive: Drive) -> None:
    with pytest.raises(BrokenAnswer, match="packed as 'compress', which was not asked for"):
        drive().get(f"{site}/bomb/compress/10")


def test_a_body_can_go_to_a_sink_instead_of_memory(site: str, drive: Drive) -> None:
    pieces: list[bytes] = []

    page = drive().get(f"{site}/huge/300000", sink=pieces.append)

    assert page.content == b""
    assert sum(map(len, pieces)) == 300_000


# -- What sites do ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("hang-up", SiteUnreachable, "disconnected"),
        ("reset", SiteUnreachable, "cannot be reached|reset"),
        ("truncated", FetchError, "cannot be re"),
        ("garbage", BrokenAnswer, "cannot be read"),
        ("circle", TooManyRedirects, "redirects without end"),
        ("redirect/302/file%3A%2F%2F%2Fetc%2Fpasswd", FetchError, "not a web address"),
        ("redirect/302/http%3A%2F%2Fa%3Ab%2F", FetchError, "not a URL"),
    ],
)
def test_a_broken_answer_is_an_error_of_its_kind(
    site: str, drive: Drive, path: str, error: type[FetchError], words: str
) -> None:
    with pytest.raises(error, match=words):
        drive().get(f"{site}/{path}")


def test_a_host_that_does_not_exist_is_said_so(drive: Drive) -> None:
    with pytest.raises(SiteUnreachable) as caught:
        drive().get("http://nobody.invalid/")

    # A name server that does not answer is no proof that there is no such host.
    assert isinstance(caught.value, HostNotFound) or "temporary" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "error", "category"), [("wall", BlockedPage, "http"), ("captcha", CaptchaPage, "captcha")]
)
def test_what_keeps_collectors_out_is_no_page(
    site: str, drive: Drive, path: str, error: type[FetchError], category: str
) -> None:
    driver = drive(QUICK)

    with pytest.raises(error, match="instead of the page") as caught:
        driver.get(f"{site}/{path}")

    assert (caught.value.reaction, caught.value.category) == (Reaction.ROTATE, category)
    assert driver.client.metrics.count == 1


def test_an_author_knows_the_walls_of_a_site_best(site: str, drive: Drive) -> None:
    with pytest.raises(BlockedPage):
        drive(replace(HERE, blocked_marks=("/please-wait",))).get(f"{site}/please-wait")


def test_an_author_who_catches_no_errors_is_told_what_to_do(site: str) -> None:
    client = Driver("plain").client

    assert client.attempt("GET", f"{site}/page").reaction is Reaction.OK
    said = {status: client.attempt("GET", f"{site}/status/{status}").reaction for status in (401, 403, 404, 503)}
    assert said == {401: Reaction.STOP, 403: Reaction.ROTATE, 404: Reaction.SKIP, 503: Reaction.RETRY}
    client.close()


def test_any_exception_has_a_reaction() -> None:
    assert reaction_to(httpx.ReadTimeout("late")) is Reaction.RETRY
    assert reaction_to(OSError(28, "No space left on device")) is Reaction.STOP
    assert reaction_to(KeyError("price")) is Reaction.SKIP


@pytest.mark.parametrize("said", ["none", "utf-8", "iso-8859-1"])
@pytest.mark.parametrize("used", ["utf-8", "cp1250", "utf-16"])
def test_text_is_read_in_the_encoding_it_is_in(site: str, said: str, used: str) -> None:
    client = Driver("plain").client
    page = client.get(f"{site}/charset/{said}/{used}")
    client.close()

    if said == "iso-8859-1" and used == "cp1250":
        return  # every byte is a letter in both: nothing but the site can know, and it lies
    if used == "cp1250":
        assert "9,90" in page.text
        assert "�" not in page.text
    else:
        assert page.text == "<p>Čevapčići, šećer, žlica: 9,90 €</p>"
