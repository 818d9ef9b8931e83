"""Prices of the demo shop that only somebody who has signed in sees.

Its app needs the credential `password`; the page of the login says which (`demo`).
"""

from __future__ import annotations

from urllib.parse import urljoin

from pydantic import BaseModel, Field

from collectors.toolkit.errors import LoginFailed
from collectors.toolkit.scraping import ThreadedScraper

from .models import TradePrice
from .parser import TradeRow, is_signed_in, parse_login, parse_pages, parse_prices


class Trade(ThreadedScraper):
    """Signs in once; the cookie belongs to the session, which the clients of all threads share."""

    model = TradePrice
    workers = 3
    allowed_networks = ("127.0.0.0/8", "::1")  # the platform that serves the shop

    class Args(BaseModel):
        base_url: str = Field(
            "http://127.0.0.1:8000/demo/", pattern=r"^https?://\S+$", description="First page of the shop."
        )
        user: str = Field("reader", description="Who signs in.")

    def prepare_list(self) -> list[str]:
        page = self.request.get(urljoin(self.args.base_url, "trade/login/"))
        login = parse_login(page.content, str(page.url))
        fields = login.filled(user=self.args.user, password=self.context.secrets["password"])
        page = self.request.send(login.method, login.url, data=fields)
        if not is_signed_in(page.content):
            raise LoginFailed(
                f"{login.url} does not let {self.args.user} in: correct the credential password of this app, or its "
                "argument user, and enable the app again."
            )
        return parse_pages(page.content, str(page.url))

    def collect(self, item: str) -> list[TradeRow]:
        return parse_prices(self.request.get(item).content)
