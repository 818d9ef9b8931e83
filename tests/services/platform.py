"""The whole platform, as `manage.py up` starts it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.conftest import ROOT, wait_for
from tests.services.web import free_port


class Up:
    """A platform of its own: its own folder, its own port."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
        self.env = {
            **inherited,
            "DC_PROFILE": "embedded",
            "DC_DATA_DIR": str(folder),
            "DC_WEB_PORT": str(self.port),
            **env,
        }
        self.output = folder.with_suffix(".out")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=self.env, stdout=output, stderr=subprocess.STDOUT
            )
        return self.process

    def said(self) -> str:
        return self.output.read_text()

    def ready(self) -> None:
        wait_for(lambda: "Stop everything:" in self.said() or self._ended(), seconds=90)
        assert "Stop everything:" in self.said(), self.said()

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def processes(self) -> list[psutil.Process]:
        """Everything that works on this folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("DC_DATA_DIR") == str(self.folder) and process.status() != "zombie":
                    found.append(process)
        return found

    def child(self, name: str) -> psutil.Process:
        """The part of this name; the others come and go meanwhile."""
        for process in psutil.Process(self.pid).children():
            with suppress(psutil.Error):
                if process.cmdline()[-1:] == [name]:
                    return process
        raise AssertionError(f"{name} does not run: {self.said()}")

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        """What the platform's database answers."""
        with closing(sqlite3.connect(self.folder / "platform.sqlite3")) as database:
            return database.execute(question).fetchall()

    def end(self) -> None:
        """Nothing of it outlives the test."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process is not None:
            self.process.wait()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid
