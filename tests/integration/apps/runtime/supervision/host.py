"""A process with a supervisor, for tests that kill the manager: `python -m ...host FOLDER` reads JSON lines, each a
collector to start, and prints a line when it has a process."""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path


def main(folder: str) -> None:
    import django

    django.setup()
    from apps.runtime.supervision import Started
    from tests.integration.apps.runtime.supervision.stand import Stand

    stand = Stand(Path(folder))
    while True:
        for event in stand.supervisor.wait(60, wake=0):
            if isinstance(event, Started):
                print(json.dumps([event.run_id, event.pid]), flush=True)
        if readable():
            for line in os.read(0, 1 << 20).splitlines():
                stand.start(**json.loads(line))


def readable() -> bool:
    """Whether there is something on stdin."""
    return bool(select.select([0], [], [], 0)[0])


if __name__ == "__main__":
    main(sys.argv[1])
