"""The judges of this installation."""

from __future__ import annotations

from django.conf import settings

from apps.proxies.judge_page import is_proven
from collectors.toolkit.http.guard import networks
from collectors.toolkit.http.judging import SECONDS, Court, Judge

PATH = "/judge"


def judges() -> list[Judge]:
    """Those of the settings, in their order. Those at `/judge` are this platform, which proves what it says."""
    return [Judge(url, is_proven if url.endswith(PATH) else None) for url in settings.DC_PROXIES_JUDGES]


def court(*, seconds: float = SECONDS) -> Court:
    """The judges, ready to be asked; each for so long."""
    return Court(judges(), allowed=networks(" ".join(settings.DC_RUN_ALLOWED_NETWORKS)), seconds=seconds)
