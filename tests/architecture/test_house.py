"""House rules that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.project import ROOT, modules, texts

THIS = Path(__file__).relative_to(ROOT)
#: Words for work that somebody meant to do; a sentence in an issue is the place for it.
PROMISES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
#: Places outside the project, which nobody who clones it has.
ELSEWHERE = re.compile(r"\.\./shared\b|/work/|issues show")
WILDCARDS_ALLOWED = Path("config/settings")


def wildcard_imports(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield node.lineno


def swallowed_import_errors(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
            is_empty = all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
            if names & {"ImportError", "ModuleNotFoundError"} and is_empty:
                yield node.lineno


def test_nothing_is_imported_by_wildcard_outside_the_settings() -> None:
    found = [
        f"{path}:{line}"
        for path in modules()
        if WILDCARDS_ALLOWED not in path.parents
        for line in wildcard_imports((ROOT / path).read_text("utf-8"))
    ]

    assert found == []


def test_no_import_error_is_swallowed() -> None:
    found = [
        f"{path}:{line}" for path in modules() for line in swallowed_import_errors((ROOT / path).read_text("utf-8"))
    ]

    assert found == []


@pytest.mark.parametrize("pattern", [PROMISES, ELSEWHERE], ids=["promises", "elsewhere"])
def test_no_text_holds(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts()
        if path != THIS
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]

    assert found == []


def test_what_it_looks_for_can_be_found() -> None:
    assert list(wildcard_imports("from os import *")) == [1]
    assert list(swallowed_import_errors("try:\n    import x\nexcept ImportError:\n    pass")) == [3]
    assert PROMISES.search("# TODO: later")
    assert ELSEWHERE.search("see ../shared/design")


#: What the content policy refuses in a page (docs/decisions/0026-policy-and-headers.md).
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)[^>]*>|<style\b|\sstyle=[\"']|\son[a-z]+=[\"']|setAttribute\(\s*[\"'](?:style|on)|javascript:|"
    r"\.on(?:click|load|error)\s*=|\bmark_safe\b"
)


def test_nothing_is_written_into_a_page_that_its_policy_refuses() -> None:
    files = [
        path
        for folder, kinds in (("templates", ("*.html",)), ("static", ("*.js",)), ("apps", ("*.py", "*.html")))
        for kind in kinds
        for path in sorted((ROOT / folder).rglob(kind))
    ]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if INLINE.search(line)
    ]

    assert found == []
    for planted in ("<script>x</script>", '<p style="x">', "<a onclick='x()'>", "<style>"):
        assert INLINE.search(planted)


def test_every_test_that_the_threat_model_names_is_there() -> None:
    page = (ROOT / "docs/security.md").read_text("utf-8")
    rows = page[page.index("## Threats, controls, tests") :].splitlines()
    named = {name for row in rows if row.startswith("|") for name in re.findall(r"`([\w/]*test_\w+\.py)`", row)}

    assert len(named) > 15
    for name in named:
        found = list((ROOT / "tests").rglob(name)) if "/" not in name else [ROOT / "tests" / name]
        assert any(path.is_file() for path in found), name
