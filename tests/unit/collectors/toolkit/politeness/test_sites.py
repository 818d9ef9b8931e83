"""What counts as one site."""

from __future__ import annotations

import httpx
import pytest

from collectors.toolkit.politeness.ledger import RobotsText
from collectors.toolkit.politeness.pauses import Pause
from collectors.toolkit.politeness.robots import Robots, keeps_s
from collectors.toolkit.politeness.sites import is_this_machine, origin_of, site_of


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.shop.co.uk/a", "shop.co.uk"),
        ("http://img.shop.co.uk:8080/", "shop.co.uk"),
        ("https://shop.example.com/", "example.com"),
        ("https://WWW.Example.COM/", "example.com"),
        ("http://10.1.0.7/", "10.1.0.7"),
        ("http://10.1.0.7:8080/", "10.1.0.7:8080"),
        ("http://[2001:db8::1]/", "[2001:db8::1]"),
        ("http://intranet/", "intranet"),
        ("http://wiki.intranet:81/", "wiki.intranet:81"),
        ("https://co.uk/", "co.uk"),
    ],
)
def test_the_site_is_the_registrable_domain_or_else_the_host(url: str, site: str) -> None:
    assert site_of(httpx.URL(url)) == site


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "demo.localhost", "::1"])
def test_this_machine_is_known_by_number_and_by_name(host: str) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "example.com", "localhost.example.com", "127.example.com"])
def test_no_other_machine_is_this_one(host: str) -> None:
    assert not is_this_machine(host)


def test_robots_is_one_for_each_scheme_host_and_port() -> None:
    assert origin_of(httpx.URL("https://www.shop.co.uk/a?b")) == "https://www.shop.co.uk"
    assert origin_of(httpx.URL("http://[::1]:81/a")) == "http://[::1]:81"


@pytest.mark.parametrize(("said", "low", "high"), [((0.5, 1), 0.5, 1), (2, 2, 2), (0.0, 0, 0), ([1, 3], 1, 3)])
def test_a_pause_is_one_number_or_two(said: object, low: float, high: float) -> None:
    assert Pause.of(said) == Pause(low, high)


@pytest.mark.parametrize("said", ["1", (1,), (3, 1), (-1, 1), True, (1, "2"), None, 5_000, float("nan")])
def test_anything_else_is_no_pause(said: object) -> None:
    with pytest.raises(ValueError, match="A pause is"):
        Pause.of(said)


def test_the_rules_are_those_of_our_own_name() -> None:
    robots = Robots.of(RobotsText(200, "User-agent: DataCollector\nDisallow: /a\n\nUser-agent: *\nDisallow: /"))

    assert robots.allows(httpx.URL("https://shop.example/b?c=1"), "DataCollector/1.0")
    assert not robots.allows(httpx.URL("https://shop.example/a/b"), "DataCollector/1.0")
    assert not robots.allows(httpx.URL("https://shop.example/b"), "Other/2")


def test_what_is_no_robots_file_forbids_nothing() -> None:
    robots = Robots.of(RobotsText(200, "<html>\x00 Crawl-delay: soon\nUser-agent\nDisallow"))

    assert robots.allows(httpx.URL("https://shop.example/"), "DataCollector/1.0")
    assert robots.delay_s("DataCollector/1.0") == 0


def test_a_crawl_delay_has_a_limit() -> None:
    assert Robots.of(RobotsText(200, "User-agent: *\nCrawl-delay: 86400")).delay_s("x") == 300


def test_what_could_not_be_had_is_asked_for_sooner() -> None:
    assert keeps_s(RobotsText(200, "")) > 80_000
    assert keeps_s(RobotsText(404, "")) > 80_000
    assert 0 < keeps_s(RobotsText(503, "")) < 1_000
    assert keeps_s(RobotsText(503, "", age_s=1_000)) < 0
