"""Fetching over HTTP."""

from collectors.toolkit.http.client import ClientPool, Fetched, Request
from collectors.toolkit.http.guard import networks
from collectors.toolkit.http.metrics import RequestMetrics
from collectors.toolkit.http.observing import Attempt, Observer
from collectors.toolkit.http.profile import TLS, Cache, LeasedProxy, Limits, Profile, Proxy, Retries
from collectors.toolkit.http.providers import BadProvider, BrightDataProvider, ListProvider, Price, ProxyProvider
from collectors.toolkit.http.session import Session
from collectors.toolkit.http.verdicts import reaction_to

__all__ = [
    "TLS",
    "Attempt",
    "BadProvider",
    "BrightDataProvider",
    "Cache",
    "ClientPool",
    "Fetched",
    "LeasedProxy",
    "Limits",
    "ListProvider",
    "Observer",
    "Price",
    "Profile",
    "Proxy",
    "ProxyProvider",
    "Request",
    "RequestMetrics",
    "Retries",
    "Session",
    "networks",
    "reaction_to",
]
