"""When a run gives up."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from collectors.toolkit.categories import BLOCKERS, PLATFORM

#: Shares are those of the last so many items: what a site did hours ago says nothing about now.
WINDOW = 100


@dataclass(frozen=True, slots=True)
class AbortRule:
    """The same for all errors. Zero switches a part off."""

    consecutive: int = 5
    """So many failures in a row."""
    percent: float = 20.0
    """More than this share of the last 100 items failed, once `minimum` of them were tried."""
    minimum: int = 10


@dataclass(frozen=True, slots=True)
class CategoryRule:
    """For the errors of one category. Zero switches a part off."""

    count: int = 0
    """So many failures in the whole run."""
    consecutive: int = 0
    """So many without a success between them."""
    percent: float = 0.0
    """More than this share of the last 100 items, once `minimum` of them were tried."""
    minimum: int = 10
    is_blocker: bool = False
    """A person has to repair something first: the app is disabled."""


Rules: TypeAlias = AbortRule | Mapping[str, CategoryRule]

#: At the first error, whatever other rules there are.
AT_ONCE: Mapping[str, CategoryRule] = MappingProxyType(
    {name: CategoryRule(count=1, is_blocker=True) for name in BLOCKERS} | {PLATFORM: CategoryRule(count=1)}
)
#: A rule for each kind of error: `abort_rule = {**CATEGORY_RULES, "http": CategoryRule(percent=50)}`.
CATEGORY_RULES: Mapping[str, CategoryRule] = MappingProxyType(
    {
        **AT_ONCE,
        "captcha": CategoryRule(count=5, percent=10, consecutive=3),
        "proxy": CategoryRule(percent=30, consecutive=10),
        "http": CategoryRule(percent=20, consecutive=5),
        "parse": CategoryRule(percent=15, consecutive=5),
        "unknown": CategoryRule(percent=20, consecutive=5),
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The run gives up: why, and over what."""

    text: str
    category: str
    is_blocked: bool = False


class Judge:
    """Counts what succeeded and what failed, and says when it is enough. Not thread-safe."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.totals: Counter[str] = Counter()
        self._window: deque[str] = deque(maxlen=WINDOW)  # empty for a success
        self._in_window: Counter[str] = Counter()
        self._in_a_row: Counter[str] = Counter()

    def success(self) -> None:
        """One item succeeded: every row of failures is over."""
        self._push("")
        self._in_a_row.clear()

    def failure(self, category: str) -> Verdict | None:
        """One item failed. The verdict when the run is to give up."""
        self._push(category)
        self.totals[category] += 1
        self._in_a_row[category] += 1
        if isinstance(self.rules, AbortRule):
            at_once = AT_ONCE.get(category)
            return self._by_category(category, at_once) if at_once else self._flat(self.rules, category)
        # A category without a rule is as good as unknown, and unknown always has a rule.
        name = category if category in self.rules else "unknown"
        rule = self.rules.get(name) or CATEGORY_RULES["unknown"]
        return self._by_category(category, rule)

    def _push(self, category: str) -> None:
        if len(self._window) == WINDOW:
            self._in_window[self._window[0]] -= 1
        self._window.append(category)
        self._in_window[category] += 1

    def _flat(self, rule: AbortRule, category: str) -> Verdict | None:
        in_a_row, tried = self._in_a_row.total(), len(self._window)
        failed = tried - self._in_window[""]
        if rule.consecutive and in_a_row >= rule.consecutive:
            return Verdict(f"Gave up after {in_a_row} failures in a row.", category)
        if rule.percent and tried >= rule.minimum and 100 * failed > rule.percent * tried:
            return Verdict(f"Gave up: {failed} of {self._of(tried)} items failed.", category)
        return None

    def _by_category(self, category: str, rule: CategoryRule) -> Verdict | None:
        total, in_a_row = self.totals[category], self._in_a_row[category]
        tried, failed = len(self._window), self._in_window[category]
        text = ""
        if rule.count and total >= rule.count:
            text = f"Gave up after {total} {'error' if total == 1 else 'errors'} of the category {category}."
        elif rule.consecutive and in_a_row >= rule.consecutive:
            text = f"Gave up after {in_a_row} errors of the category {category} in a row."
        elif rule.percent and tried >= rule.minimum and 100 * failed > rule.percent * tried:
            text = f"Gave up: {failed} of {self._of(tried)} items failed with errors of the category {category}."
        return Verdict(text, category, rule.is_blocker) if text else None

    def _of(self, tried: int) -> str:
        return str(tried) if tried < WINDOW else f"the last {tried}"
