"""Two halves that need nothing of each other: what runs collectors, and what helps to write one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from apps.runtime.models import Runtime, State
from tests.acceptance.conftest import ROOMS, ROOT

#: A process in which some packages are not to be had.
CLOSED = """
import sys
class Closed:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in {closed!r}):
            raise ImportError(name + " is closed to this process")
sys.meta_path.insert(0, Closed())
"""
RUNCOLLECTOR = """
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "runcollector", *{argv!r}])
"""
SCRAPER = """
import json
from collectors.toolkit.scraping import BaseScraper
from collectors.toolkit.testing import make_context

class Prices(BaseScraper):
    def prepare_list(self):
        return range(5)
    def collect(self, item):
        if item == 3:
            raise ValueError("no price")
        self.log.info("item.collected", number=item)
        return []
    def store(self, rows):
        return None

context = make_context()
outcome = Prices(context).run()
told = {"ending": outcome.ending.value, "solved": context.progress.solved, "failed": context.progress.failed}
print(json.dumps(told))
"""


def fresh(closed: tuple[str, ...], code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CLOSED.format(closed=closed) + code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DC_SOURCES_PATH": str(ROOMS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.django_db(databases="__all__", transaction=True)
@pytest.mark.parametrize(
    ("room", "state"),
    [
        ("trial.odd.talkative", State.SUCCEEDED),  # def main(context), and nothing else
        ("trial.odd.slow", None),  # a scraper: the door is really closed
    ],
)
def test_any_main_is_run_without_the_scraping_toolkit(room: str, state: State | None, tmp_path: Path) -> None:
    argv = [room, *([f"--arg=ledger={tmp_path / 'ledger'}", "--arg=lines=3"] if state else [])]
    done = fresh(("collectors.toolkit.scraping",), RUNCOLLECTOR.format(argv=argv))
    if state is None:
        assert done.returncode == 2
        assert "collectors.toolkit.scraping is closed to this process" in done.stderr
        return
    assert done.returncode == 0, done.stdout + done.stderr
    run = Runtime.objects.get()
    assert (run.state, run.logs.filter(message="line.said").count()) == (state, 3)


def test_a_scraper_runs_without_manager_broker_beat_database_or_django() -> None:
    done = fresh(("django", "celery", "kombu", "redis", "channels", "psycopg", "apps", "config"), SCRAPER)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["solved"], told["failed"]) == (4, 1)
