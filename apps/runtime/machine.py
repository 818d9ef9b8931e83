"""What the machine of this process has left: disk, memory, and lines that are not in the database yet."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.logs.models import JournalFile
from apps.runtime.journals import journal_root
from apps.runtime.process import node_name

_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Bytes; None where the machine does not say."""

    disk_total: int | None = None
    disk_free: int | None = None
    memory_total: int | None = None
    memory_free: int | None = None
    journal_backlog: int | None = None

    def as_json(self) -> dict[str, int | None]:
        """As the row of a manager keeps them."""
        return asdict(self)


def vitals_of(kept: Any) -> Vitals:
    """What a manager wrote down, perhaps one of another version."""
    known = kept if isinstance(kept, dict) else {}
    return Vitals(**{name: known[name] for name in Vitals.__dataclass_fields__ if isinstance(known.get(name), int)})


def measure_machine() -> Vitals:
    """This machine, now. Raises `DatabaseError`: the backlog is what the database lacks."""
    memory = _memory()
    total = free = None
    with suppress(OSError):
        usage = shutil.disk_usage(settings.DC_DATA_DIR)
        total, free = usage.total, usage.free
    return Vitals(
        disk_total=total,
        disk_free=free,
        memory_total=memory.get("MemTotal"),
        memory_free=memory.get("MemAvailable"),
        journal_backlog=journal_backlog(),
    )


def journal_backlog() -> int:
    """Bytes of this machine's open journals that the database does not have. Nobody else sees these files."""
    backlog = 0
    opened = JournalFile.objects.filter(sealed_at__isnull=True, node=node_name())
    for path, offset in opened.values_list("path", "offset"):
        with suppress(OSError):
            backlog += max(0, (journal_root() / path).stat().st_size - offset)
    return backlog


def _memory() -> dict[str, int]:
    """Of /proc/meminfo, in bytes; empty where there is none."""
    try:
        lines = _MEMINFO.read_text("ascii").splitlines()
    except OSError:
        return {}
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
