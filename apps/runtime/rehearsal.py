"""What the forkserver does once, so that no run has to: what every run goes through was gone through before the fork.

A forked process pays for each page that it is the first to write to. Python writes into code that runs for the first
times, and into caches of types and methods; libraries set up what they need when they are asked for it. All of that is
done here, where it stays shared. No database is asked, no source imported, and no thread left behind.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel

from apps.registry.models import App
from apps.registry.services import validate_args
from apps.runtime.interrupts import Interrupts
from apps.runtime.journals import known_secrets
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from apps.runtime.pulse import ProgressTeller
from apps.runtime.runner import perform
from collectors.contract import Context, Outcome
from collectors.identity import AppInfo, app_info
from collectors.loader import Source
from collectors.toolkit.journal import Journal, Redactor
from collectors.toolkit.scraping import BaseScraper
from collectors.toolkit.scraping.work import Work

#: Python rewrites the code of a function when it has been called eight times.
ROUNDS = 12


class RehearsalFailed(Exception):
    """What every run goes through went wrong; the message says how."""


class _Info(AppInfo):
    """A room whose tables nobody has to make."""

    @property
    def label(self) -> str:
        """The platform's own, which has no tables of sources."""
        return "core"


def rehearse() -> None:
    """Go through runs that collect nothing. Raises `RehearsalFailed`; where no file can be written, nothing is done."""
    with suppress(OSError), tempfile.TemporaryDirectory(prefix="dc-rehearsal-") as folder:
        for _ in range(ROUNDS):
            _play(Path(folder))


def _play(folder: Path) -> None:
    class Piece(BaseScraper):
        """Made anew each time, as the class of a source is."""

        class Args(BaseModel):
            pages: int = 2
            note: str = ""

        def prepare_list(self) -> range:
            return range(self.args.pages)

        def collect(self, item: int) -> list[dict[str, int]]:
            self.log.info("page.rehearsed", number=item)
            return []

    def collect_all(context: Context) -> Outcome:
        # All of `run` but the transaction at its end, which would connect.
        piece = Piece(context)
        return piece._gather(Work(piece))

    info = _Info(**asdict(app_info("platform", "forkserver", "rehearsal")))
    source = Source(info, Piece.Args, collect_all)
    run = Runtime(id="0" * 32, app=App(id=0, code=info.code), epoch=1)
    about = {"runtime": run.pk, "role": "rehearsal", **asdict(identify_self())}
    journal = Journal(folder, about=lambda: about, redactor=Redactor(known_secrets()), ticking=False)
    with Interrupts(grace_s=1.0) as interrupts, ProgressTeller(journal) as progress:
        args = validate_args(source, {"pages": 2})
        end, _ = perform(run, source, args=args, interrupts=interrupts, journal=journal, progress=progress)
    if end.state != State.SUCCEEDED:
        raise RehearsalFailed(f"{end.state}: {end.cause}")
