"""The environment a test run lives in: its own folder, its own databases, nothing of the developer's.

The test database *is* the database of the settings (`TEST["NAME"]` is `NAME`), so a child process that a test starts
sees what the test wrote, on SQLite and on PostgreSQL alike, by inheriting the environment and nothing else.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.services import postgres

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


class BadTestSetup(Exception):
    """A DC_TEST_ variable holds something the tests cannot use; the message says what would do."""


@dataclass(slots=True)
class Prepared:
    """What `prepare` made and `close` takes away."""

    folder: Path
    server: postgres.OwnServer | None = None

    def close(self) -> None:
        """Stop the own PostgreSQL, if one was started, and remove the folder."""
        if self.server is not None:
            self.server.stop()
        elif url := os.environ.get("DC_TEST_SERVER_URL"):
            from tests.services import databases

            databases.drop_templates(self.folder, url)
        shutil.rmtree(self.folder, ignore_errors=True)


def prepare() -> Prepared | None:
    """Give this run its environment, before Django reads its settings. A worker of xdist gets its share of it."""
    if WORKER:
        _take_share(Path(os.environ["DC_TEST_RUN_DIR"]), os.environ.get("DC_TEST_SERVER_URL"))
        return None
    backend = os.environ.get("DC_TEST_BACKEND", "sqlite")
    if backend not in ("sqlite", "postgresql", "sqlserver"):
        raise BadTestSetup(f"DC_TEST_BACKEND is {backend!r}; write sqlite, postgresql or sqlserver.")
    if backend == "sqlserver" and not os.environ.get("DC_TEST_MSSQL_URL"):
        raise BadTestSetup(
            "DC_TEST_BACKEND=sqlserver needs a server: DC_TEST_MSSQL_URL=mssql://user:password@host/master"
        )
    for name in [name for name in os.environ if name.startswith("DC_") and not name.startswith("DC_TEST_")]:
        del os.environ[name]
    prepared = Prepared(Path(tempfile.mkdtemp(prefix="dc-test-")))
    os.environ["DC_TEST_RUN_DIR"] = str(prepared.folder)
    os.environ.pop("DC_TEST_SERVER_URL", None)
    if backend == "postgresql":
        url, prepared.server = postgres.find_or_start()
        os.environ["DC_TEST_SERVER_URL"] = url
    _take_share(prepared.folder, os.environ.get("DC_TEST_SERVER_URL"))
    return prepared


def _take_share(run_folder: Path, server_url: str | None) -> None:
    data_dir = run_folder / (WORKER or "main")
    data_dir.mkdir()
    os.environ["DC_PROFILE"] = "test"
    os.environ["DC_DATA_DIR"] = str(data_dir)
    if server_url is not None:
        name = "_".join(filter(None, (run_folder.name.replace("-", "_"), WORKER)))
        os.environ["DC_DATABASE_URL"] = postgres.with_database(server_url, name)
    if os.environ.get("DC_TEST_BACKEND") == "sqlserver":
        # The platform's tables are in SQLite; those of the sources and of the merge's tests are on the server.
        name = "_".join(filter(None, (run_folder.name.replace("-", "_"), WORKER)))
        os.environ["DC_DATABASE_DATA_URL"] = postgres.with_database(os.environ["DC_TEST_MSSQL_URL"], name)
