"""The example in the documentation does its jobs on a live platform: a web process, a manager, a collector."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apps.runtime.models import Runtime, State
from apps.runtime.node_models import Node
from tests.acceptance.conftest import ROOT, Manage, wait_for
from tests.integration.factories import make_app
from tests.integration.people import make_client
from tests.services.web import WebProcess

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

APP, TABLE = "examples.debian.python_docs", "examples.debian.python_docs.module"
PAGES = ROOT / "collectors/sources/examples/debian/python_docs/tests/pages"


@pytest.fixture
def web() -> Iterator[WebProcess]:
    process = WebProcess()
    process.start()
    yield process
    process.kill()


@pytest.fixture
def token(web: WebProcess) -> str:
    """As a program gets it: from the platform that it will ask."""
    client, secret = make_client(role="operator", scopes=["read", "run"])
    asked = {"grant_type": "client_credentials", "scope": "read run"}
    answer = httpx.post(f"{web.url}/oauth/token/", data=asked, auth=(client.client_id, secret), timeout=30)
    return str(answer.json()["access_token"])


def tour(web: WebProcess, token: str, app: str, table: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(Path("docs/examples/api_tour.py")), app, table],
        cwd=ROOT,
        env={**os.environ, "DC_URL": web.url, "DC_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_tour_starts_a_run_reads_its_log_and_its_rows(web: WebProcess, token: str, manage: Manage) -> None:
    manage("manager")
    wait_for(Node.objects.exists)
    make_app(APP, is_enabled=True, args={"folder": str(PAGES)})

    done = tour(web, token, APP, TABLE)

    assert done.returncode == 0, done.stdout + done.stderr
    run = Runtime.objects.get()
    assert (run.state, run.trigger) == (State.SUCCEEDED, Runtime.Trigger.API)
    assert run.rows_inserted > 0
    assert f"SUCCEEDED: done {run.rows_inserted} rows are new." in done.stdout
    # Its lines before the sentence, its rows behind it.
    before, _, behind = done.stdout.partition("SUCCEEDED: ")
    assert len(before.splitlines()) == run.logs.count() > 0
    assert len(behind.splitlines()) == 1 + run.rows_inserted


def test_the_tour_says_in_words_what_is_wrong(web: WebProcess, token: str) -> None:
    refused = tour(web, token, "no.such.app", TABLE)
    stranger = tour(web, "nonsense", APP, TABLE)

    assert "404: There is no app no.such.app." in refused.stderr
    assert "401: This token is wrong, over, or revoked; get a new one." in stranger.stderr
    assert "Traceback" not in refused.stderr + stranger.stderr
