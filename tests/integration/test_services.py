"""The services the other tests stand on are the ones they think they stand on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connections

from apps.registry.models import AppGroup


@pytest.mark.django_db
def test_it_runs_on_the_backend_that_was_asked_for() -> None:
    expected = os.environ.get("DC_TEST_BACKEND", "sqlite")
    assert {connection.vendor for connection in connections.all()} == {expected}


@pytest.mark.django_db
def test_the_developers_data_is_out_of_reach() -> None:
    run_folder = Path(os.environ["DC_TEST_RUN_DIR"])
    assert settings.DC_DATA_DIR.is_relative_to(run_folder)
    for connection in connections.all():
        assert run_folder.name.replace("-", "_") in str(connection.settings_dict["NAME"]).replace("-", "_")


@pytest.mark.django_db(transaction=True)
def test_a_child_process_sees_what_a_test_wrote(pytestconfig: pytest.Config) -> None:
    AppGroup.objects.create(name="seen")
    question = "from apps.registry.models import AppGroup; print(AppGroup.objects.get().name)"
    child = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", question],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
    )
    assert (child.stdout.strip(), child.stderr) == ("seen", "")


def test_the_cache_is_a_private_valkey(valkey_socket: Path) -> None:
    assert valkey_socket.is_socket()
    cache.set("word", "kept")
    assert cache.get("word") == "kept"
