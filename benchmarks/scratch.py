"""A platform of its own for the length of a benchmark: its own folder, its own database."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import postgres


@contextmanager
def platform_on_postgres() -> Iterator[None]:
    """Django is set up on an empty, migrated PostgreSQL database, which is dropped afterwards."""
    import psycopg

    url, server = postgres.find_or_start()
    folder = Path(tempfile.mkdtemp(prefix="dc-bench-"))
    name = folder.name.replace("-", "_")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    os.environ |= {
        "DC_PROFILE": "test",
        "DC_DATA_DIR": str(folder),
        "DC_DATABASE_URL": postgres.with_database(url, name),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    try:
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        yield
        connections.close_all()
    finally:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
