"""The scheduling tick as a task, and the signs of life it leaves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime import vital_signs
from apps.runtime.models import Runtime
from apps.runtime.tasks import tick
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db


def test_runtime_tick_requests_what_is_due_and_says_that_it_lives(valkey_socket: Path) -> None:
    make_app(is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=60, next_run_at=utc_now())
    assert tick.name == "runtime.tick"
    tick.apply(throw=True)
    assert Runtime.objects.count() == 1
    assert vital_signs.is_alive("clock", now=utc_now())
    assert not vital_signs.is_alive("clock", now=utc_now() + timedelta(minutes=1))


def test_a_part_that_never_spoke_is_not_alive(valkey_socket: Path) -> None:
    assert vital_signs.last_seen("nobody") is None
    assert not vital_signs.is_alive("nobody", now=utc_now())


def test_without_a_cache_nothing_is_known_and_nothing_breaks(settings: object, tmp_path: Path) -> None:
    settings.CACHES = {  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"unix://{tmp_path}/nobody.sock",
        }
    }
    vital_signs.beat("clock")
    assert vital_signs.last_seen("clock") is None
