"""How runs are started on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apps.runtime.supervision import cgroups
from apps.runtime.supervision.spec import Order, RunSpec

Command = Callable[[RunSpec], list[str]]


def by_manage_py(spec: RunSpec) -> list[str]:
    """The program of a cold collector."""
    return [sys.executable, "manage.py", "runcollector", "--runtime", spec.run_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What all runs of this machine share."""

    root: Path
    """The project's folder."""
    sources: tuple[Path, ...]
    settings_module: str
    journal_root: Path
    entry: str
    command: Command
    secrets: list[str]
    fsync: Literal["second", "line"]
    cgroup: Path | None

    @classmethod
    def here(cls, *, journal_root: Path, entry: str, command: Command) -> Host:
        """As the settings of this process have it."""
        from django.conf import settings

        from apps.runtime.journals import known_secrets
        from collectors.discovery import source_folders

        return cls(
            root=Path(settings.BASE_DIR),
            sources=tuple(source_folders()),
            settings_module=settings.SETTINGS_MODULE,
            journal_root=journal_root.absolute(),
            entry=entry,
            command=command,
            secrets=known_secrets(),
            fsync=settings.DC_JOURNAL_FSYNC,
            cgroup=cgroups.find_base(),
        )

    def order(self, spec: RunSpec) -> Order:
        """What the shim of a run is told."""
        return Order(
            spec=spec,
            entry=self.entry,
            command=self.command(spec),
            journal_root=str(self.journal_root),
            secrets=self.secrets,
            fsync=self.fsync,
            cgroup=str(self.cgroup) if self.cgroup else None,
        )

    def env(self, **more: str) -> dict[str, str]:
        """The environment of a new process."""
        return {**os.environ, "DJANGO_SETTINGS_MODULE": self.settings_module, **more}
