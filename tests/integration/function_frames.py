"""Function frames, as a reader of journals hands them out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from apps.runtime.functions import store_function_frames
from apps.runtime.models import Runtime
from collectors.toolkit.profiling import Sketch

MODULE, FILE = "collectors.sources.shop.books.main", "collectors/sources/shop/books/main.py"
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def frame(
    name: str = "collect", *elapsed_ms: float, parent: str | None = None, at: datetime = NOON, **values: Any
) -> dict[str, Any]:
    """A frame of a function whose calls took so long; `values` replace what that makes."""
    elapsed = [int(ms * 1_000_000) for ms in elapsed_ms]
    sketch = Sketch()
    sketch.add(elapsed)
    data = {
        "module": MODULE,
        "qualname": name,
        "file": FILE,
        "parent": [MODULE, parent, FILE] if parent else None,
        "calls": len(elapsed),
        "errors": 0,
        "task_size": None,
        "solved": 0,
        "failed": 0,
        "total_ns": sum(elapsed),
        "min_ns": min(elapsed, default=None),
        "max_ns": max(elapsed, default=None),
        "first_start": at.timestamp(),
        "last_end": at.timestamp() + 1 if elapsed else None,
        "last_error": "",
        "sketch": sketch.as_json(),
        **values,
    }
    return dict(json.loads(json.dumps(data)))


def store(run: Runtime, *frames: dict[str, Any]) -> None:
    """Store the frames as the shipper does, in a transaction."""
    with transaction.atomic():
        store_function_frames(run.pk, run.app_id, list(frames))
