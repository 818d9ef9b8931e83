from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.contract import Ending, Outcome
from collectors.discovery import find_rooms, room_configs
from collectors.identity import parse_code
from collectors.loader import Source, SourceIsBroken, SourceNotFound, get_app_info, load_source
from collectors.toolkit.testing import make_context
from tests.unit.collectors.rooms import make_room, sources_left_as_they_were

CODE = "loading.site.app"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with sources_left_as_they_were():
        yield tmp_path


def load(root: Path, main: str) -> Source:
    make_room(root, CODE, main)
    find_rooms([root])
    return load_source(parse_code(CODE))


def test_a_class_with_run_is_a_source(root: Path) -> None:
    source = load(
        root,
        "from pydantic import BaseModel\n"
        "from collectors.contract import Outcome\n"
        "class Prices:\n"
        "    class Args(BaseModel):\n"
        "        limit: int = 3\n"
        "    def __init__(self, context): self.context = context\n"
        "    def run(self): return Outcome(cause=self.context.app.code)\n",
    )

    assert source.args_model is not None
    assert list(source.args_model.model_fields) == ["limit"]
    assert source.run(make_context(app=CODE)) == Outcome(cause=CODE)


def test_a_function_main_is_a_source(root: Path) -> None:
    source = load(root, "def main(context): context.log.info('page.fetched')\n")

    assert source.args_model is None
    assert source.run(make_context()) == Outcome(ending=Ending.SUCCEEDED)


def test_a_function_that_ends_because_it_was_asked_to_has_not_seen_everything(root: Path) -> None:
    source = load(root, "def main(context):\n    while not context.stop_requested:\n        pass\n")
    context = make_context()
    context.stop.set()

    assert source.run(context) == Outcome(ending=Ending.STOPPED, complete=False)


def test_what_main_returns_must_be_an_outcome(root: Path) -> None:
    source = load(root, "def main(context): return 3\n")

    with pytest.raises(SourceIsBroken, match="returned a int: return an Outcome, or nothing"):
        source.run(make_context())


def test_a_subclass_in_the_same_file_is_the_one_that_is_meant(root: Path) -> None:
    source = load(
        root,
        "from collectors.contract import Outcome\n"
        "class Base:\n"
        "    def __init__(self, context): pass\n"
        "    def run(self): return Outcome(cause='base')\n"
        "class Prices(Base):\n"
        "    def run(self): return Outcome(cause='prices')\n",
    )

    assert source.run(make_context()).cause == "prices"


def test_an_imported_class_is_not_a_source_of_this_room(root: Path) -> None:
    source = load(root, "from collectors.toolkit.scraping import BaseScraper\ndef main(context): pass\n")

    assert source.run(make_context()) == Outcome()


@pytest.mark.parametrize(
    ("main", "complaint"),
    [
        ("x = 1\n", "defines nothing to run: write a subclass of BaseScraper, or main"),
        ("class A:\n    run = print\nclass B:\n    run = print\n", "defines more than one collector: A, B. Keep one."),
        ("async def main(context): pass\n", "is async: write a subclass of AsyncScraper instead"),
        ("Args = 3\ndef main(context): pass\n", "The Args of loading.site.app must be a class derived from pydantic"),
        ("\n1/0\n", "cannot be imported: main.py, line 2: ZeroDivisionError: division by zero"),
        ("def main(:\n", "cannot be imported: main.py, line 1: SyntaxError: "),
        ("import nonsense_lib\n", "main.py, line 1: ModuleNotFoundError: No module named 'nonsense_lib'"),
        ("import sys\nsys.exit(3)\n", "cannot be imported: main.py, line 2: SystemExit: 3"),
        ("from .parser import x\n", "main.py, line 1: ModuleNotFoundError: No module named "),
    ],
)
def test_a_main_that_cannot_be_used_is_a_sentence(root: Path, main: str, complaint: str) -> None:
    with pytest.raises(SourceIsBroken) as caught:
        load(root, main)

    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_room_that_is_not_there_is_another_error() -> None:
    with pytest.raises(
        SourceNotFound, match=r"There is no source no\.such\.room: its folder or its main.py is missing"
    ):
        load_source(parse_code("no.such.room"))


def test_a_room_without_main_is_not_there(root: Path) -> None:
    make_room(root, CODE)
    find_rooms([root])
    (root / "loading/site/app/main.py").unlink()
    importlib.invalidate_caches()

    with pytest.raises(SourceNotFound):
        load_source(parse_code(CODE))


def test_a_broken_room_is_not_run_although_its_main_is_fine(root: Path) -> None:
    make_room(root, "a_b.c.loader")
    make_room(root, "a.b_c.loader")
    room_configs(find_rooms([root]))

    with pytest.raises(SourceIsBroken, match=r"a_b\.c\.loader cannot be used. Its tables would be named"):
        load_source(parse_code("a_b.c.loader"))
    assert load_source(parse_code("a.b_c.loader")).run(make_context()) == Outcome()


def test_an_app_knows_itself_from_its_folder(tmp_path: Path) -> None:
    folder = make_room(tmp_path, CODE)
    (folder / "helpers").mkdir()

    assert get_app_info(folder / "main.py") == parse_code(CODE)
    assert get_app_info(folder / "helpers" / "pages.py") == parse_code(CODE)
    assert get_app_info(str(folder)) == parse_code(CODE)
