"""The tutorial works: all of docs/sources/tutorial.md is typed into one shell, by somebody with a home of their own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from apps.registry.models import App
from apps.runtime.models import Runtime, State
from tests.acceptance.conftest import ROOT
from tests.servers.demo_shop import demo_shop

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

PAGE = ROOT / "docs" / "sources" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROOM = Path("sources", "mine", "shop", "prices")
CODE, SHOP = "mine.shop.prices", "http://127.0.0.1:8000/demo/"
SECONDS = 180


def script(home: Path, shop: str) -> Iterator[str]:
    """The page as a shell would be told it; a block of Python is what an editor writes into a file."""
    for number, (kind, about, text) in enumerate(BLOCK.findall(PAGE.read_text("utf-8"))):
        if kind == "sh":
            yield text.replace(".venv/bin/python", shlex.quote(sys.executable))
        elif kind == "python":
            block = home / f"block-{number}"
            block.write_text(text.replace(SHOP, shop), "utf-8")
            yield f"cp {block} {home / ROOM / about.strip().removeprefix('file=')}\n"


def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    with demo_shop() as shop:
        typed = "".join(script(tmp_path, shop))
        if "data" not in settings.DATABASES:
            typed = typed.replace(" --database data", "")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", typed],
            cwd=ROOT,
            env={**os.environ, "HOME": str(tmp_path), "DC_PUBLIC_URL": shop.removesuffix("/demo/")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
    try:
        check(done.returncode, done.stdout)
    finally:
        forget(tmp_path)


def check(code: int, said: str) -> None:
    """What the page promises has come true."""
    assert code == 0, said
    assert " passed in " in said, said
    assert '"author": "' in said, said
    tried, whole = Runtime.objects.filter(app__code=CODE).order_by("queued_at")
    assert (tried.state, tried.is_dry_run, tried.rows_seen) == (State.SUCCEEDED, True, 3), said
    assert (whole.state, whole.rows_seen, whole.rows_inserted) == (State.SUCCEEDED, 120, 120), said
    app = App.objects.get(code=CODE)
    assert (app.schedule, app.interval_s) == (App.Schedule.INTERVAL, 300)


def forget(home: Path) -> None:
    """Take the table out of the database of the tests again."""
    database = ["--database", "data"] if "data" in settings.DATABASES else []
    subprocess.run(
        [sys.executable, "manage.py", "migrate", CODE.replace(".", "_"), "zero", "--verbosity=0", *database],
        cwd=ROOT,
        env={**os.environ, "DC_SOURCES_PATH": str(home / "sources")},
        check=False,
        timeout=60,
    )
