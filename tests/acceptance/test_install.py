"""`make install` on machines that are not as they should be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """What `make install` reads, and nothing else."""
    folder = tmp_path / "checkout"
    for name in (".ci", "requirements", "locale"):
        shutil.copytree(pytestconfig.rootpath / name, folder / name, ignore=shutil.ignore_patterns("*.mo"))
    (folder / "config").mkdir()
    for name in ("__init__.py", "catalogue.py"):
        shutil.copy(pytestconfig.rootpath / "config" / name, folder / "config")
    return folder


def install(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = ["env", *(f"{name}={value}" for name, value in variables.items()), ".ci/install", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=240)


def imports_httpx(checkout: Path) -> bool:
    return subprocess.run([checkout / ".venv/bin/python", "-c", "import httpx"], capture_output=True).returncode == 0


def test_it_refuses_a_python_that_is_too_old(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho Python 3.9.2\nexit 1\n")
    old.chmod(0o755)
    refused = install(checkout, PYTHON=str(old))
    assert refused.returncode == 1
    assert f"Python 3.11 or newer is needed; {old} here is Python 3.9.2." in refused.stderr
    assert not (checkout / ".venv").exists()


def test_it_refuses_a_set_it_does_not_know(checkout: Path) -> None:
    refused = install(checkout, "production")
    assert refused.returncode == 1
    assert "unknown set 'production'; there are base (default), dev, mssql mssql-microsoft." in refused.stderr


def test_it_finishes_what_an_interrupted_call_began_and_follows_a_moved_folder(checkout: Path) -> None:
    first = install(checkout, PYTHON=sys.executable)
    assert first.returncode == 0, first.stderr
    assert imports_httpx(checkout)
    assert (checkout / "locale/de/LC_MESSAGES/django.mo").is_file()

    # What a killed installer leaves: a package that is listed and not whole, and the note that it was at work.
    shutil.rmtree(next(checkout.glob(".venv/lib/python*/site-packages/httpx")))
    (checkout / ".venv/.unfinished").write_text("base\n")
    repaired = install(checkout)
    assert repaired.returncode == 0, repaired.stderr
    assert imports_httpx(checkout)

    again = install(checkout)
    assert again.returncode == 0, again.stderr
    assert "Installing" not in again.stdout

    moved = checkout.rename(checkout.with_name("moved"))
    renewed = install(moved, PYTHON=sys.executable)
    assert renewed.returncode == 0, renewed.stderr
    assert "Making the virtual environment" in renewed.stdout
    assert imports_httpx(moved)
