# NEVER EDIT THIS FILE. It was written against the first version of the contract of sources, and has to run unchanged
# for as long as that contract stands (tests/compat/README.md). If it fails, what broke it is what needs repair.
from __future__ import annotations

from pydantic import BaseModel

from collectors.contract import Context, Ending, Outcome
from collectors.toolkit.errors import FetchError

from .models import Reading


class Args(BaseModel):
    url: str
    stations: str


def main(context: Context) -> Outcome | None:
    stations = context.args.stations.split(",")
    failed = 0
    context.progress(size=len(stations))
    with context.records.transaction():
        for number, station in enumerate(stations, start=1):
            if context.stop_requested:
                return Outcome(ending=Ending.STOPPED, complete=False)
            try:
                readings = context.request.get(f"{context.args.url}{station}.json").json()
            except FetchError:
                context.log.bind(station=station).exception("station.failed")
                failed += 1
                continue
            finally:
                context.progress(solved=number - failed, failed=failed)
            rows = [{"station": station, "taken_at": when, "celsius": celsius} for when, celsius in readings.items()]
            context.records.merge(Reading, rows, scope={"station": station})
    if failed:
        return Outcome(cause=f"{failed} of {len(stations)} stations gave no readings.", complete=False)
    return None
