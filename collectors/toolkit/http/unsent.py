"""Errors about requests that were not even sent, for the sake of the site; a part of the tree of `toolkit.errors`."""

from __future__ import annotations

from collectors.toolkit.errors import FetchError, Reaction


class RobotsRefused(FetchError):
    """The robots.txt of the site does not want this fetched; no request was sent."""


class CircuitOpen(FetchError):
    """The host did not answer, several times in a row, and is left alone for a while; no request was sent."""

    reaction = Reaction.ROTATE


class SiteResting(FetchError):
    """The site asked for no requests (Retry-After) for longer than is waited; no request was sent."""

    reaction = Reaction.RETRY
