"""What the README says, done by a stranger: clone, `make install`, `make up`, look at the admin, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.services.web import free_port

T = TypeVar("T")

EXAMPLES = {"examples.debian.python_docs", "examples.shop.books"}
LOGIN_LINK = re.compile(r"https?://\S+/login/\S+")
INSTALL_SECONDS = 240
FIRST_RUNS_SECONDS = 60
#: How long it takes is measured (benchmarks/startup.py); this is when it hangs, beside other tests too.
SECOND_START_SECONDS = 60
STOP_SECONDS = 15

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Up:
    """A running `make up`."""

    process: subprocess.Popen[bytes]
    output: Path
    started_at: float

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, question: Callable[[], T | None], within_s: float, complaint: str) -> T:
        """What the question finds, asked until it finds something. Fails with what `make up` said."""
        while (found := question()) is None:
            if self.process.poll() is not None:
                pytest.fail(f"make up ended with {self.process.returncode}:\n{self.said()}")
            if time.monotonic() > self.started_at + within_s:
                pytest.fail(f"{within_s:g} s after its start, {complaint}. make up said:\n{self.said()}")
            time.sleep(0.2)
        return found

    def login_link(self, within_s: float) -> str:
        """The one-time link, once it is printed."""
        return self.wait_for(lambda: LOGIN_LINK.search(self.said()), within_s, "no login link was printed").group()

    def manage_py(self) -> psutil.Process:
        """`manage.py up` itself, the child of make."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if "manage.py" in child.cmdline())


@pytest.fixture
def clone(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    folder = tmp_path / "data-collector"
    subprocess.run(["git", "clone", "--quiet", pytestconfig.rootpath, folder], check=True, timeout=60)
    return folder


@pytest.fixture
def environment() -> dict[str, str]:
    """A stranger's shell: no settings, no virtual environment, nothing of the make and pytest around this test."""
    ours = ("DC_", "DJANGO_", "MAKE", "MFLAGS", "PYTEST_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept["PATH"] = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if "/.venv/" not in part)
    kept["DC_WEB_PORT"] = str(free_port())
    return kept


@contextmanager
def make_up(clone: Path, environment: dict[str, str], output: Path) -> Iterator[Up]:
    """`make up` in a process group of its own, as a shell would start it; nothing of it outlives the block."""
    with output.open("wb") as stream:
        process = subprocess.Popen(
            ["make", "up"],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        yield Up(process, output, time.monotonic())
    finally:
        for survivor in processes_of(clone):
            with suppress(psutil.NoSuchProcess):
                survivor.kill()
        process.wait(timeout=10)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that works in the folder or runs something out of it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [process.cwd(), *process.cmdline()]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in words):
                found.append(process)
        except psutil.Error:
            continue
    return found


def sign_in(client: httpx.Client, link: str) -> None:
    """Follow the link and press its button."""
    page = LexborHTMLParser(client.get(link).raise_for_status().text)
    fields = {str(field.attributes["name"]): field.attributes.get("value") for field in page.css("form input[name]")}
    answer = client.post(link, data=fields, headers={"Referer": link}, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    assert answer.url.path.startswith("/admin/"), answer.url


def examples_that_succeeded(client: httpx.Client) -> set[str]:
    """The examples that the list of runs shows as succeeded."""
    page = client.get("/admin/runtime/runtime/").raise_for_status()
    rows = [row.text(separator=" ").lower() for row in LexborHTMLParser(page.text).css("#result_list tbody tr")]
    return {code for code in EXAMPLES for row in rows if code in row and "succeeded" in row}


def test_a_stranger_sees_two_examples_collected(clone: Path, environment: dict[str, str], tmp_path: Path) -> None:
    subprocess.run(["make", "install"], cwd=clone, env=environment, check=True, timeout=INSTALL_SECONDS)

    with make_up(clone, environment, tmp_path / "first") as up:
        link = up.login_link(within_s=FIRST_RUNS_SECONDS)
        with httpx.Client(base_url=httpx.URL(link).join("/"), timeout=10) as client:
            sign_in(client, link)
            up.wait_for(
                lambda: examples_that_succeeded(client) == EXAMPLES or None,
                FIRST_RUNS_SECONDS,
                "the list of runs does not show both examples as succeeded",
            )
        # Ctrl-C in a terminal reaches the whole group; make then ends by the same signal.
        os.killpg(up.process.pid, signal.SIGINT)
        assert up.process.wait(timeout=STOP_SECONDS) == -signal.SIGINT, up.said()
        assert "Traceback" not in up.said()
        assert processes_of(clone) == []

    with make_up(clone, environment, tmp_path / "second") as up:
        up.login_link(within_s=SECOND_START_SECONDS)
        up.manage_py().send_signal(signal.SIGINT)
        assert up.process.wait(timeout=STOP_SECONDS) == 0, up.said()
        assert "Traceback" not in up.said()
        assert processes_of(clone) == []
