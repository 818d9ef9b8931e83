"""Fetching over HTTP."""

from collectors.toolkit.http.client import ClientPool, Fetched, Request
from collectors.toolkit.http.guard import networks
from collectors.toolkit.http.metrics import RequestMetrics
from collectors.toolkit.http.observing import Attempt, Observer
from collectors.toolkit.http.profile import TLS, Cache, Limits, Profile, Proxy, Retries
from collectors.toolkit.http.session import Session
from collectors.toolkit.http.verdicts import reaction_to

__all__ = [
    "TLS",
    "Attempt",
    "Cache",
    "ClientPool",
    "Fetched",
    "Limits",
    "Observer",
    "Profile",
    "Proxy",
    "Request",
    "RequestMetrics",
    "Retries",
    "Session",
    "networks",
    "reaction_to",
]
