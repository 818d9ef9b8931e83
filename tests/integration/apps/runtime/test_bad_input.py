"""What sites, and what lies between, do to runs: each kind is classified, bounded in time and memory, and named.

Every kind goes through the runner once, on a server that misbehaves. What each costs a client is in
tests/unit/collectors/toolkit/http; here it is about the row of the run, which is what a person sees.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime import runner
from apps.runtime.claims import open_run
from apps.runtime.interrupts import Interrupts
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from collectors.contract import Context
from collectors.sources.examples.shop.books.models import Book
from collectors.toolkit.errors import LoginFailed
from collectors.toolkit.http import TLS, Limits, Retries
from collectors.toolkit.parsing.html import form, one, parse_html, text
from collectors.toolkit.politeness.pauses import Pause
from collectors.toolkit.scraping import BaseScraper
from collectors.toolkit.testing.odd_site import odd_site
from tests.integration.factories import book, make_app, make_source

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the same on every database"),
]

CERTIFICATES = Path(__file__).parents[3] / "servers" / "certificates"
#: What a run may take of either; a guard against hanging, not a measure.
SECONDS, MEGABYTES = 30.0, 96


@dataclass(frozen=True)
class Kind:
    """One kind of bad input: where it is found, and what the run says of it."""

    path: str
    cause: str
    """A regular expression for what it says."""
    category: str = "http"
    state: State = State.FAILED
    profile: dict[str, Any] = field(default_factory=dict)
    habits: dict[str, Any] = field(default_factory=dict)
    """What the source says of itself."""
    parse: Callable[[bytes], str] = lambda content: content.decode()


def cell(content: bytes) -> str:
    """The second cell of a page that was never closed."""
    return text(parse_html(content).css("td")[1])


def price(content: bytes) -> str:
    """What the page does not have."""
    return text(one(parse_html(content), ".price"))


def paragraph(content: bytes) -> str:
    """The only paragraph, in the encoding that it is in."""
    return text(one(parse_html(content), "p"))


MEGABYTE = Limits(bytes=1_000_000)
TRUSTING = {"tls": TLS(ca_file=CERTIFICATES / "authority.pem")}
#: A site of this machine is asked for its robots.txt where the source states a pause.
POLITE = {"pause": Pause.of(0)}
KINDS = {
    "redirects for ever": Kind("{site}/circle", r"/circle redirects without end\."),
    "drips": Kind(
        "{site}/drip/60", r"/drip/60 was not complete within 0\.4 s\.", profile={"limits": Limits(seconds=0.4)}
    ),
    "hangs": Kind("{site}/slow/60", r"/slow/60 did not answer within 0\.3 s\.", profile={"timeout_s": 0.3}),
    "10 GB, and says so": Kind(
        "{site}/huge/10000000000", "says that it is 10,000,000,000 bytes long; at most 67,108,864 bytes"
    ),
    "never ends": Kind(
        "{site}/endless", "too large: it goes on; at most 1,000,000 bytes", profile={"limits": MEGABYTE}
    ),
    "a bomb": Kind(
        "{site}/bomb/gzip/100000000",
        "too large: it unpacks to more; at most 1,000,000 bytes",
        profile={"limits": MEGABYTE},
    ),
    "resets": Kind("{site}/reset", "cannot be reached: connection reset by peer"),
    "speaks no HTTP": Kind("{site}/garbage", "gave an answer that cannot be read: illegal status line"),
    "an expired certificate": Kind(
        "{expired}/page", r"cannot be trusted: .*\(certificate has expired\)", profile=TRUSTING
    ),
    "a name that is gone": Kind("http://shop.invalid/", "shop.invalid/ cannot be reached: name or service not known"),
    "a wall": Kind("{site}/wall", "answered 403 with a wall that keeps collectors out"),
    "a captcha": Kind("{site}/captcha", "answered 403 with a captcha instead of the page", "captcha"),
    "robots.txt refuses": Kind("{site}/private/page", "/private/page was not fetched: ", habits=POLITE),
    "broken HTML": Kind("{site}/broken-html", "", "", State.SUCCEEDED, parse=cell),
    "HTML without what was looked for": Kind(
        "{site}/broken-html", r"The page has nothing for .\.price. where one", "parse", parse=price
    ),
    "another encoding than it says": Kind("{site}/charset/utf-8/cp1250", "", "", State.SUCCEEDED, parse=paragraph),
    "a login that fails silently": Kind("{site}/login", "/login does not let reader in", "blocked"),
}


def source_of(kind: Kind, addresses: dict[str, str]) -> Callable[[Context], Any]:
    class Visit(BaseScraper):
        model = Book

        def prepare_list(self) -> list[str]:
            self.request.set_profile(retries=Retries(count=0), **kind.profile)
            if kind.path.endswith("/login"):
                self.log_in()
            return [kind.path.format(**addresses)]

        def collect(self, item: str) -> Iterator[dict[str, Any]]:
            yield book(1, title=kind.parse(self.request.get(item).content))

        def log_in(self) -> None:
            page = self.request.get(f"{addresses['site']}/login")
            login = form(parse_html(page.content), str(page.url))
            page = self.request.send(login.method, login.url, data=login.filled(user="reader", password="wrong"))
            if b"Your account" not in page.content:
                raise LoginFailed(f"{login.url} does not let reader in.")

    return lambda context: Visit(context).run()


def run_of(kind: Kind, addresses: dict[str, str]) -> Runtime:
    Book.objects.all().delete()
    run = open_run(make_app(is_enabled=True), owner=identify_self(), args={}, now=utc_now())
    with Interrupts(grace_s=1.0, time_limit_s=SECONDS) as interrupts:
        source = replace(make_source(source_of(kind, addresses)), **kind.habits)
        runner.execute(run, source, args={}, interrupts=interrupts, watch=lambda pulse: None)
    run.refresh_from_db()
    return run


@pytest.fixture
def addresses() -> Iterator[dict[str, str]]:
    """The site that misbehaves, and the same with a certificate that has expired."""
    expired = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expired.load_cert_chain(CERTIFICATES / "expired.pem")
    with odd_site() as site, odd_site(expired) as other:
        yield {"site": site, "expired": other}


def peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def told(kind: Kind, run: Runtime) -> str:
    """What the run says, and whether that is what it should say."""
    is_named = re.search(kind.cause, run.cause) if kind.cause else not run.cause
    named = "named" if is_named else f"not named: {run.cause}"
    return f"{run.state} {run.error_category or '-'} {named}"


def test_every_kind_is_classified_bounded_and_named(addresses: dict[str, str]) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = peak_mb()
    found, titles = {}, {}
    for name, kind in KINDS.items():
        found[name] = told(kind, run_of(kind, addresses))
        titles[name] = [row.title for row in Book.objects.all()]

    assert found == {name: f"{kind.state} {kind.category or '-'} named" for name, kind in KINDS.items()}
    assert {name: rows for name, rows in titles.items() if rows} == {
        "broken HTML": ["A1 € \ufffd"],
        "another encoding than it says": ["Čevapčići, šećer, žlica: 9,90 €"],
    }
    assert not App.objects.get().is_enabled, "a login that failed is not tried again and again"
    assert peak_mb() - before < MEGABYTES
