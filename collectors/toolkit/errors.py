"""Errors a source raises or meets. The class decides what happens.

    CollectError             category "unknown"
    |-- StopRun              end the run here and now; not a fault: what was collected is kept
    |-- SkipItem             leave this item out; not a fault, and not counted as failed
    |-- RetryLater           category "retry_later": end the run as failed, and try again later
    |-- Blocker              category "blocked": end the run as failed and disable the app; a person has to act first
    |   `-- MissingSecret        the app has no credential of that name
    |-- FetchError           category "http"
    |   |-- SiteUnreachable      no connection: refused, no such host, TLS
    |   |-- FetchTimeout         no answer in time
    |   |-- BadStatus            an answer, but not 2xx
    |   `-- ProxyFailed          category "proxy": the way there is at fault, not the site
    |-- CaptchaFailed        category "captcha": it could not be solved
    |-- ParseError           category "parse": the page is not what the parser expects
    |-- LocalIOError         category "io": a local file cannot be read or written; a blocker
    `-- StorageError         category "database", a blocker; always ends the run, nothing is written
        |-- BadRow               a row that does not fit its table
        `-- MissingTable         the table of a model does not exist

Anything else that escapes from `collect` counts as a failed item too; `toolkit.categories` says of which category.
"""

from __future__ import annotations

from typing import ClassVar


class CollectError(Exception):
    """Root of the tree. The message is a sentence that people read."""

    category: ClassVar[str] = "unknown"


class StopRun(CollectError):
    """There is nothing more to collect, or no sense in going on."""


class SkipItem(CollectError):
    """This item is not wanted after all."""


class RetryLater(CollectError):
    """The source says: not now."""

    category = "retry_later"


class Blocker(CollectError):
    """Running again is pointless until a person has repaired something."""

    category = "blocked"


class MissingSecret(Blocker):
    """The app has no credential of the name that its source asked for."""


class FetchError(CollectError):
    """A request did not bring what was asked for."""

    category = "http"

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url


class SiteUnreachable(FetchError):
    """No connection to the site."""


class FetchTimeout(FetchError):
    """The site did not answer in time."""


class BadStatus(FetchError):
    """The site answered with a status that is not 2xx."""

    def __init__(self, message: str, *, url: str, status: int) -> None:
        super().__init__(message, url=url)
        self.status = status


class ProxyFailed(FetchError):
    """The proxy did not do its part."""

    category = "proxy"


class CaptchaFailed(CollectError):
    """A captcha could not be solved."""

    category = "captcha"


class ParseError(CollectError):
    """The input is not what the parser expects."""

    category = "parse"


class LocalIOError(CollectError):
    """A file of this machine cannot be read or written."""

    category = "io"


class StorageError(CollectError):
    """Rows could not be stored; nothing of them was."""

    category = "database"


class BadRow(StorageError):
    """A row does not fit its table. The sentence says all of it; the attributes say it to programs."""

    def __init__(self, message: str, *, row: int | None = None, field: str = "", rule: str = "") -> None:
        super().__init__(message)
        self.row = row
        """The number of the row in its merge, from 1."""
        self.field = field
        self.rule = rule


class MissingTable(StorageError):
    """The table of a model does not exist."""
