"""The project's own files, as the architecture tests look at them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CODE = ("apps", "collectors", "config")
SKIPPED = {"__pycache__", "migrations", "tests", "scaffold", "node_modules"}


def modules() -> Iterator[Path]:
    """Every module of the product, relative to the project: no tests, no migrations."""
    for package in CODE:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not SKIPPED & set(path.relative_to(ROOT).parts[:-1]):
                yield path.relative_to(ROOT)


def texts() -> Iterator[tuple[Path, str]]:
    """Every text a person of the project reads, relative to the project: code, templates, documentation, scripts."""
    roots = (*CODE, "tests", "docs", "templates", "requirements", "benchmarks", ".ci")
    single = ("README.md", "CHANGELOG.md", "Makefile", "manage.py", "conftest.py", "pyproject.toml", ".importlinter")
    paths = [path for root in roots for path in sorted((ROOT / root).rglob("*")) if path.is_file()]
    for path in (*paths, *(ROOT / name for name in single)):
        if not path.exists() or "__pycache__" in path.parts:
            continue
        try:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image or another recording


def copy_of(target: Path, *names: str) -> Path:
    """A copy of these folders and files of the project, to plant something in; compiled where the original is."""
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name)
        else:
            shutil.copy2(source, target / name)
    return target
