"""The same rooms, run by `runcollector` from a web server into tables: nothing of it is a double."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which a web server shows it."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Platform:
    """An installation of its own, on SQLite, that knows the rooms."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manage("migrate")
        self.manage("migrate", "--database", "data")

    def manage(self, *words: str) -> str:
        own = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
        sources = str(Path(__file__).parent / "sources")
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env={**own, "DC_PROFILE": "test", "DC_DATA_DIR": str(self.folder), "DC_SOURCES_PATH": sources},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "data.sqlite3")) as connection:
            return connection.execute(query).fetchall()


def test_both_kinds_of_source_write_their_tables_and_keep_history(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = site
    platform = Platform(tmp_path / "data")
    (folder / "index.html").write_text('<a class="country">hr</a>')
    (folder / "hr").mkdir()
    stations = folder / "hr" / "index.html"
    stations.write_text('<table><tr class="station"><td>ZG1</td><td>Zagreb</td><td>157</td></tr></table>')
    (folder / "ZG1.json").write_text('{"2026-01-01T00:00:00Z": -3.5}')

    platform.manage("runcollector", "compat.first.stations", "--arg", f"base_url={url}")
    stations.write_text('<table><tr class="station"><td>ZG1</td><td>Zagreb</td><td>158</td></tr></table>')
    platform.manage("runcollector", "compat.first.stations", "--arg", f"base_url={url}")
    platform.manage("runcollector", "compat.first.readings", "--arg", f"url={url}", "--arg", "stations=ZG1")

    heights = "SELECT code, height_m, archived_at IS NULL FROM compat_first_stations_station ORDER BY id"
    assert platform.rows(heights) == [("ZG1", 157, 0), ("0", None, 1), ("ZG1", 158, 1)]
    assert platform.rows("SELECT station, celsius FROM compat_first_readings_reading") == [("ZG1", -3.5)]
