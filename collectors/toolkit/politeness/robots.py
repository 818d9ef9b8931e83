"""robots.txt as RFC 9309 reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from collectors.toolkit.politeness.ledger import RobotsText

if TYPE_CHECKING:
    from protego import Protego

#: More of a file is not read (RFC 9309, 2.5, asks for 500 KiB at least).
MOST_BYTES = 500 * 1024
#: Redirects that are followed to it.
MOST_HOPS = 5
KEEP_S, KEEP_FAILED_S = 86_400.0, 600.0
MOST_DELAY_S = 300.0


@dataclass(frozen=True, slots=True)
class Robots:
    """What one robots.txt lets us do."""

    rules: Protego | None
    is_all_allowed: bool

    @classmethod
    def of(cls, found: RobotsText) -> Robots:
        """4xx: there is none, and everything is allowed; 5xx: nothing is."""
        if 200 <= found.status < 300:
            from protego import Protego

            return cls(Protego.parse(found.text), is_all_allowed=False)
        return cls(None, is_all_allowed=found.status < 500)

    def allows(self, url: httpx.URL, agent: str) -> bool:
        """Whether `agent` may fetch it."""
        if self.rules is None:
            return self.is_all_allowed
        return bool(self.rules.can_fetch(str(url.copy_with(userinfo=b"", fragment=None)), agent))

    def delay_s(self, agent: str) -> float:
        """The pause it asks for, five minutes at most; 0 if none."""
        said = None if self.rules is None else self.rules.crawl_delay(agent)
        return min(MOST_DELAY_S, max(0.0, float(said or 0.0)))


def keeps_s(found: RobotsText) -> float:
    """For how long it need not be asked for again."""
    return (KEEP_S if found.status < 500 else KEEP_FAILED_S) - found.age_s
