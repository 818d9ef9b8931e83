"""Base classes of collectors."""

from collectors.toolkit.scraping.asynchronous import AsyncScraper
from collectors.toolkit.scraping.base import BaseScraper
from collectors.toolkit.scraping.rules import CATEGORY_RULES, AbortRule, CategoryRule
from collectors.toolkit.scraping.threaded import ThreadedScraper

__all__ = ["CATEGORY_RULES", "AbortRule", "AsyncScraper", "BaseScraper", "CategoryRule", "ThreadedScraper"]
