"""The outlet of the demo shop, where much goes wrong: what is tried again, what fails alone, and when it is enough.

Its run fails, and is meant to. One page says that it is busy, and is asked again when it said; one is unfinished and
fails alone; then come copies that nobody has any more, and after four in a row the run gives up. What it had until then
is stored, and nothing is archived.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin

from pydantic import BaseModel, Field

from collectors.toolkit.scraping import CATEGORY_RULES, BaseScraper, CategoryRule

from .models import Copy
from .parser import CopyRow, parse_copy, parse_shelf


class Outlet(BaseScraper):
    """Each kind of error has a rule of its own; those of the site are stricter here than usual."""

    model = Copy
    abort_rule = {**CATEGORY_RULES, "http": CategoryRule(consecutive=4), "parse": CategoryRule(count=3)}
    allowed_networks = ("127.0.0.0/8", "::1")  # the platform that serves the shop

    class Args(BaseModel):
        base_url: str = Field(
            "http://127.0.0.1:8000/demo/", pattern=r"^https?://\S+$", description="First page of the shop."
        )

    def prepare_list(self) -> list[str]:
        page = self.request.get(urljoin(self.args.base_url, "outlet/"))
        return parse_shelf(page.content, str(page.url))

    def collect(self, item: str) -> Iterator[CopyRow]:
        yield parse_copy(self.request.get(item).content)
