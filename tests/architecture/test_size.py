"""What grew past its size wants a name of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.project import ROOT, modules

FUNCTION_LINES = 60
MODULE_LINES = 250
LARGE_MODULE_LINES = 400


def allowed_lines(module: Path) -> int:
    """Models and admin pages are lists by nature."""
    is_large = module.stem in ("models", "admin") or module.stem.endswith("_admin")
    return LARGE_MODULE_LINES if is_large else MODULE_LINES


def long_functions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name} has {lines} lines"


def test_there_is_something_to_measure() -> None:
    assert len(list(modules())) > 50


def test_no_function_is_too_long() -> None:
    found = [f"{path}: {text}" for path in modules() for text in long_functions((ROOT / path).read_text("utf-8"))]

    assert found == [], f"functions may have {FUNCTION_LINES} lines"


def test_no_module_is_too_long() -> None:
    sizes = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in modules()}
    found = [f"{path} has {lines} lines" for path, lines in sizes.items() if lines > allowed_lines(path)]

    assert found == [], f"modules may have {MODULE_LINES} lines, models and admin {LARGE_MODULE_LINES}"


@pytest.mark.parametrize(("lines", "is_long"), [(FUNCTION_LINES, False), (FUNCTION_LINES + 1, True)])
def test_the_limit_counts_the_lines_of_a_function(lines: int, is_long: bool) -> None:
    source = "def f():\n" + "    pass\n" * (lines - 1)

    assert bool(list(long_functions(source))) is is_long
