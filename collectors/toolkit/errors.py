"""Errors a source raises or meets. The class decides what happens.

    CollectError             category "unknown"
    |-- StopRun              end the run here and now; not a fault: what was collected is kept
    |-- SkipItem             leave this item out; not a fault, and not counted as failed
    |-- RetryLater           category "retry_later": end the run as failed, and try again later
    |-- Blocker              category "blocked": end the run as failed and disable the app; a person has to act first
    |   |-- MissingSecret        the app has no credential of that name
    |   `-- LoginFailed          the site does not let us in with the credentials that the app has
    |-- FetchError           category "http"
    |   |-- SiteUnreachable      no connection: refused, reset, gone in the middle
    |   |   |-- HostNotFound         there is no such host
    |   |   `-- BadCertificate       TLS: who answers cannot prove who it is
    |   |-- FetchTimeout         no answer in time, or not all of it
    |   |-- BadStatus            an answer, but not 2xx
    |   |   `-- BlockedPage          whatever its status, it is not the page: the site keeps collectors out
    |   |       `-- CaptchaPage          category "captcha": it wants a captcha solved first
    |   |-- BrokenAnswer         an answer that breaks HTTP, or cannot be unpacked
    |   |-- TooLarge             more than the profile takes
    |   |-- TooManyRedirects     the redirects never end
    |   |-- BadURL               not a web address
    |   |-- AddressRefused       an address inside of our own network
    |   |-- RobotsRefused, CircuitOpen, SiteResting: it was not even sent; they are in toolkit/http/unsent.py
    |   `-- ProxyFailed          category "proxy": the way there is at fault, not the site
    |       `-- NoProxy              none could be had in time
    |-- CaptchaFailed        category "captcha": it could not be solved; its tree is in toolkit/captcha/errors.py
    |-- ParseError           category "parse": the page is not what the parser expects
    |-- LocalIOError         category "io": a local file cannot be read or written; a blocker
    `-- StorageError         category "database", a blocker; always ends the run, nothing is written
        |-- BadRow               a row that does not fit its table
        |   `-- RuleBroken           category "quality", no blocker: a row that breaks a rule of its dataset
        |-- MergeBlocked         category "quality", no blocker: a rule of the dataset stopped the merge
        |-- MissingTable         the table of a model does not exist
        `-- DatabaseError        at `context.database(...)`; its tree is in toolkit/database/errors.py

Anything else (`ItemTimeout`, say) fails the item too; `toolkit.categories` says of which category it is.

Every error says by its `reaction` what is best done about it; `toolkit.http.reaction_to` knows it of any exception.
"""

from __future__ import annotations

from typing import ClassVar

from collectors.toolkit.reactions import Reaction as Reaction  # noqa: PLC0414 - sources have it from here


class CollectError(Exception):
    """Root of the tree. The message is a sentence that people read."""

    category: ClassVar[str] = "unknown"
    reaction: Reaction = Reaction.SKIP


class StopRun(CollectError):
    """There is nothing more to collect, or no sense in going on."""

    reaction = Reaction.STOP


class SkipItem(CollectError):
    """This item is not wanted after all."""


class RetryLater(CollectError):
    """The source says: not now."""

    category = "retry_later"
    reaction = Reaction.RETRY


class Blocker(CollectError):
    """Running again is pointless until a person has repaired something."""

    category = "blocked"
    reaction = Reaction.STOP


class MissingSecret(Blocker):
    """The app has no credential of the name that its source asked for."""


class LoginFailed(Blocker):
    """The site does not let us in; trying again and again is what locks accounts."""


class FetchError(CollectError):
    """A request did not bring what was asked for."""

    category = "http"

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url


class SiteUnreachable(FetchError):
    """No connection to the site."""

    reaction = Reaction.RETRY


class HostNotFound(SiteUnreachable):
    """The name of the site leads nowhere."""

    reaction = Reaction.SKIP


class BadCertificate(SiteUnreachable):
    """The site has no certificate that is good for it, or none at all."""

    reaction = Reaction.STOP


class FetchTimeout(FetchError):
    """The site did not answer in time."""

    reaction = Reaction.RETRY


class BadStatus(FetchError):
    """The site answered with a status that is not 2xx."""

    def __init__(
        self,
        message: str,
        *,
        url: str,
        status: int,
        retry_after_s: float | None = None,
        reaction: Reaction = Reaction.SKIP,
    ) -> None:
        super().__init__(message, url=url)
        self.status = status
        self.retry_after_s = retry_after_s
        """How long the site asks to wait; None if it does not say."""
        self.reaction = reaction


class BlockedPage(BadStatus):
    """What came is not the page, whatever its status says: the site keeps collectors out."""

    def __init__(self, message: str, *, url: str, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, url=url, status=status, retry_after_s=retry_after_s, reaction=Reaction.ROTATE)


class CaptchaPage(BlockedPage):
    """What came is not the page: the site wants a captcha solved first."""

    category = "captcha"


class BrokenAnswer(FetchError):
    """The answer breaks the rules of HTTP, or cannot be unpacked."""

    reaction = Reaction.RETRY


class TooLarge(FetchError):
    """The answer is larger than the profile of the app takes."""


class TooManyRedirects(FetchError):
    """The site sends from one address to the next, without end."""


class BadURL(FetchError):
    """This is not the address of a web page."""


class AddressRefused(FetchError):
    """The address lies inside of our own network, and the app may not go there."""


class ProxyFailed(FetchError):
    """The proxy did not do its part."""

    category = "proxy"
    reaction = Reaction.ROTATE


class NoProxy(ProxyFailed):
    """Of all providers none had a proxy for this site in time."""


class CaptchaFailed(CollectError):
    """A captcha could not be solved."""

    category = "captcha"
    reaction = Reaction.RETRY


class ParseError(CollectError):
    """The input is not what the parser expects."""

    category = "parse"


class LocalIOError(CollectError):
    """A file of this machine cannot be read or written."""

    category = "io"
    reaction = Reaction.STOP


class StorageError(CollectError):
    """Rows could not be stored; nothing of them was."""

    category = "database"
    reaction = Reaction.STOP


class BadRow(StorageError):
    """A row does not fit its table. The sentence says all of it; the attributes say it to programs."""

    def __init__(self, message: str, *, row: int | None = None, field: str = "", rule: str = "") -> None:
        super().__init__(message)
        self.row = row
        """The number of the row in its merge, from 1."""
        self.field = field
        self.rule = rule


class RuleBroken(BadRow):
    """A row fits its table, but breaks a rule of its dataset; `rule` is the name of the rule."""

    category = "quality"


class MergeBlocked(StorageError):
    """A rule of the dataset stopped a merge as a whole."""

    category = "quality"


class MissingTable(StorageError):
    """The table of a model does not exist."""
