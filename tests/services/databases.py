"""Databases with every migration, made once for all workers and, with `DC_TEST_TEMPLATES`, for all parts of a run.

Migrating takes about ten seconds of a core. Whoever comes first migrates and leaves a copy behind; everybody else takes
that copy. It is of this run alone, so it never is of other migrations than those that are there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections
from psycopg import sql

from tests.services import postgres

#: An alias, and how its database is called: the path of a file, or a name on the server.
Place = tuple[str, str]


def set_up(aliases: set[str], make: Callable[[], object]) -> None:
    """Bring about the databases of these aliases: by `make`, or as a copy of what `make` did before."""
    places = _places(aliases)
    if any(connections[alias].vendor == "microsoft" for alias in aliases):
        make()
        return
    with _template() as folder:
        done = folder / "-".join(["whole", *(alias for alias, _ in places)])
        if done.exists():
            _copy(folder, places, to_template=False)
        else:
            make()
            connections.close_all()
            _copy(folder, places, to_template=True)
            done.touch()
    for alias, name in places:
        if connections[alias].vendor == "postgresql":
            _hurry(name)


def tear_down(aliases: set[str]) -> None:
    """Take the databases of this worker away. Files go with the folder that they are in."""
    connections.close_all()
    for alias, name in _places(aliases):
        if connections[alias].vendor == "postgresql":
            _drop(name)


def give(folder: Path) -> None:
    """Put SQLite databases with every migration and no rows into the data folder of a platform.

    It would take ten seconds of a core to make them itself, which `tests/acceptance/test_fresh_clone.py` does.
    Whoever calls this asks for the fixture `django_db_setup`.
    """
    folder.mkdir(mode=0o700)
    with _template() as templates:
        for alias, name in (("default", "platform.sqlite3"), ("data", "data.sqlite3")):
            shutil.copyfile(templates / alias, folder / name)


def drop_templates(run_folder: Path, server_url: str) -> None:
    """Take away what `set_up` left on a server that is not ours."""
    for alias in ("default", "data"):
        _drop(_template_name(run_folder, alias), server_url)


def _places(aliases: set[str]) -> list[Place]:
    return [(alias, str(connections[alias].settings_dict["NAME"])) for alias in sorted(aliases)]


@contextmanager
def _template() -> Iterator[Path]:
    """The folder of the templates, which nobody else works on meanwhile."""
    backend = os.environ.get("DC_TEST_BACKEND", "sqlite")
    # A server's databases belong to one run of pytest: it is that run which takes them away.
    parent = os.environ.get("DC_TEST_TEMPLATES") if backend == "sqlite" else None
    folder = Path(parent or os.environ["DC_TEST_RUN_DIR"]) / "templates"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _copy(folder: Path, places: list[Place], *, to_template: bool) -> None:
    for alias, name in places:
        if connections[alias].vendor == "postgresql":
            template = _template_name(Path(os.environ["DC_TEST_RUN_DIR"]), alias)
            _clone(*((name, template) if to_template else (template, name)))
        elif to_template:
            # What stands in the log of the file is in the file after the last one has closed it.
            shutil.copyfile(name, folder / alias)
        else:
            shutil.copyfile(folder / alias, name)


def _clone(origin: str, copy: str) -> None:
    with _server() as server:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        server.execute(statement.format(sql.Identifier(copy), sql.Identifier(origin)))


def _hurry(name: str) -> None:
    """Commits need not wait for the disk: if the machine goes down, so do these tests."""
    with _server() as server:
        server.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))


def _drop(name: str, server_url: str | None = None) -> None:
    with _server(server_url) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _server(url: str | None = None) -> psycopg.Connection[Any]:
    url = postgres.with_database(url or os.environ["DC_TEST_SERVER_URL"], "postgres")
    return psycopg.connect(url, autocommit=True)


def _template_name(run_folder: Path, alias: str) -> str:
    return f"{run_folder.name.replace('-', '_')}_template_{alias}"
