"""What the forkserver does once, so that no run has to: what every run goes through was gone through before the fork.

A forked process pays for each page that it is the first to write to. Python writes into code that runs for the first
times, and into caches of types and methods; libraries set up what they need when they are asked for it. All of that is
done here, where it stays shared. No database is asked, no source imported, and no thread left behind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import structlog
from pydantic import BaseModel

from apps.registry.models import App
from apps.registry.services import validate_args
from apps.runtime.interrupts import Interrupts
from apps.runtime.journals import known_secrets
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from apps.runtime.pulse import ProgressTeller
from apps.runtime.runner import End, numbers_of, write_end
from apps.runtime.wiring import wire
from collectors.contract import RecordStore
from collectors.identity import parse_code
from collectors.loader import Source
from collectors.toolkit.journal import Journal, Redactor
from collectors.toolkit.journal.service import service
from collectors.toolkit.profiling import Flusher
from collectors.toolkit.scraping import BaseScraper

#: Python rewrites the code of a function when it has been called eight times.
ROUNDS = 12


def rehearse() -> None:
    """Go through runs that collect nothing."""
    with tempfile.TemporaryDirectory(prefix="dc-rehearsal-") as folder:
        for _ in range(ROUNDS):
            _play(Path(folder))


def _play(folder: Path) -> None:
    class Piece(BaseScraper):
        """Made anew each time, as the class of each source is."""

        class Args(BaseModel):
            pages: int = 2
            note: str = ""

        def prepare_list(self) -> range:
            return range(self.args.pages)

        def collect(self, item: int) -> list[dict[str, int]]:
            self.log.info("page.rehearsed", number=item)
            return []

    info = parse_code("platform.forkserver.rehearsal")
    source = Source(info, Piece.Args, lambda context: Piece(context).run())
    run = Runtime(id="0" * 32, app=App(id=0, code=info.code), epoch=1)
    about = {"runtime": run.pk, "role": "rehearsal", **asdict(identify_self())}
    journal = Journal(folder, about=lambda: about, redactor=Redactor(known_secrets()), ticking=False)
    with Interrupts(grace_s=1.0) as interrupts, ProgressTeller(journal) as progress:
        args = validate_args(source, {"pages": 2})
        with Flusher(journal), service.writing_to(journal):
            wiring = wire(run, info, args=args, progress=progress, stop=interrupts.stop)
            structlog.get_logger("runtime").info("run.started", app=info.code)
            source.run(replace(wiring.context, records=cast(RecordStore, _Nowhere())))
            wiring.clients.close()
        end = End(State.SUCCEEDED, "")
        write_end(journal, end, numbers_of(wiring, progress, end))


class _Nowhere:
    """Stands for a record store that nothing is stored in."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `collectors.contract.RecordStore`."""
        yield
