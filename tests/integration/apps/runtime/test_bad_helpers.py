"""Helpers that fail a run: a proxy that lies about its address, a solver whose account is empty; each is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.db import connection

from apps.captcha.models import SolverAccount
from apps.core.clock import utc_now
from apps.proxies.judge_page import proof_of
from apps.proxies.models import Provider, ProxyExit, Verdict
from apps.runtime import runner
from apps.runtime.claims import open_run
from apps.runtime.interrupts import Interrupts
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from collectors.contract import Context
from collectors.toolkit.captcha import RecaptchaV2
from collectors.toolkit.scraping import BaseScraper
from collectors.toolkit.testing.odd_site import odd_site
from tests.integration.factories import make_app, make_source
from tests.servers.anticaptcha import anticaptcha
from tests.servers.forward_proxy import forward_proxy, judge_server

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the same on every database"),
]


def run_of(collect: Callable[[Context], Any]) -> Runtime:
    """A run with one item, which does this; bounded by its time limit."""

    class Visit(BaseScraper):
        def prepare_list(self) -> list[str]:
            return ["item"]

        def collect(self, item: str) -> list[Any]:
            collect(self.context)
            return []

    run = open_run(make_app(is_enabled=True), owner=identify_self(), args={}, now=utc_now())
    with Interrupts(grace_s=1.0, time_limit_s=30) as interrupts:
        source = make_source(lambda context: Visit(context).run())
        runner.execute(run, source, args={}, interrupts=interrupts, watch=lambda pulse: None)
    run.refresh_from_db()
    return run


def test_a_proxy_that_lies_about_its_address_is_not_gone_by(settings: Any) -> None:
    def proving(address: str, query: str) -> tuple[int, bytes]:
        nonce = parse_qs(query)["nonce"][0]
        return 200, json.dumps({"ip": address, "proof": proof_of(address, nonce)}).encode()

    with odd_site() as site, forward_proxy("127.0.0.7") as proxy, judge_server("/judge") as one:
        proxy.mode, proxy.lie, one.answer = "lies", "127.9.9.9", proving
        settings.DC_PROXIES_JUDGES = [one.url]
        Provider.objects.create(name="list", kind="LIST", secret=proxy.url)

        def collect(context: Context) -> None:
            with context.proxies.lease(f"{site}/page", wait_s=0.5) as leased:
                context.request.set_proxy(leased)
                context.request.get(f"{site}/page")

        run = run_of(collect)

    assert (run.state, run.error_category) == (State.FAILED, "proxy")
    said = r"There was no proxy for .*: list: 1 lies about its address\. .*: somebody on the way has written it\."
    assert re.search(said, run.cause), run.cause
    assert ProxyExit.objects.get().verdict == Verdict.LIES
    assert not any(url.endswith("/page") for url in proxy.asked), "the site is not asked by it"


def test_a_solver_whose_account_is_empty_is_named_and_the_app_disabled() -> None:
    with anticaptcha() as shop:
        shop.balance = Decimal(0)
        SolverAccount.objects.create(name="shop", url=shop.url, key=shop.key, poll_s=0.01, timeout_s=30)
        run = run_of(lambda context: context.captcha.solve(RecaptchaV2(url="https://shop.example/login", site_key="k")))

    assert (run.state, run.error_category) == (State.FAILED, "captcha")
    assert "ERROR_ZERO_BALANCE" in run.cause, run.cause
    run.app.refresh_from_db()
    assert not run.app.is_enabled, "nothing can be solved until somebody has filled it up"
