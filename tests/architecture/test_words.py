"""Whatever pages say is marked for translation (docs/translating.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.project import ROOT, modules
from tests.architecture.words import unmarked_in_code, unmarked_in_template

#: Code that makes pages.
PAGES = ("admin", "forms", "form", "pages", "views", "site")
#: The shop that the first source collects: a stranger's site, in a stranger's language.
STRANGE = ROOT / "templates/console/demo"

TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.html") if STRANGE not in path.parents)
CODE = [path for path in modules() if path.parts[0] == "apps" and path.stem.split("_")[-1] in PAGES]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_says_nothing_unmarked(path: Path) -> None:
    assert list(unmarked_in_template(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", CODE, ids=str)
def test_the_code_of_a_page_says_nothing_unmarked(path: Path) -> None:
    assert list(unmarked_in_code((ROOT / path).read_text("utf-8"))) == []


def test_what_it_looks_for_can_be_found() -> None:
    template = """<h1 title="Some title">Rows {{ n }} of</h1> <code>manage.py</code> 5 ms Data Collector
        {% translate "fine" %} {% blocktranslate %}fine too {{ x }}{% endblocktranslate %} {{ x|default:"nothing" }}
        {% include "a.html" with text="a label" %} <input type="submit" value="Send"> <p {% if x %}hidden{% endif %}>"""
    code = """
label("some words", "info"); message_user(request, f"{n} words"); title = "A title"; field(help_text=_("fine"))
parts = (("Its title", {"fields": ()}), (_("fine"), {"description": "said"})); label("a" if x else "other", "info")"""

    found = set(unmarked_in_template(template))
    assert found == {"Some title", "Rows", "of", "nothing", "a label", "Send"}
    assert set(unmarked_in_code(code)) == {"some words", " words", "A title", "Its title", "said", "other"}
