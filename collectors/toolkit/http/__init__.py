"""Fetching over HTTP."""

from collectors.toolkit.http.client import ClientPool, Profile, Request
from collectors.toolkit.http.metrics import RequestMetrics

__all__ = ["ClientPool", "Profile", "Request", "RequestMetrics"]
