"""The catalogue holds what the code says, and every language says all of it."""

from __future__ import annotations

import re
import shutil
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages import Message

from config import catalogue

LANGUAGES = catalogue.languages()
#: What is filled in: `%(name)s`, `%s`, `{name}`; `%%` is a sign.
HOLE = re.compile(r"%\(\w+\)[.\d]*[a-z]|%[.\d]*[sdf]|\{\w*\}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_is_what_the_code_says_today(language: str) -> None:
    file = catalogue.LOCALE / language / "LC_MESSAGES/django.po"
    assert catalogue.written(catalogue.merged(language)) == file.read_bytes(), "python -m config.catalogue update"


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_translated_and_fills_in_the_same(language: str) -> None:
    messages = [message for message in catalogue.catalogue_of(language) if message.id]

    assert [message.id for message in messages if message.fuzzy or not all(german_of(message))] == []
    assert [message.id for message in messages if not fills_in_the_same(message)] == []


def german_of(message: Message) -> tuple[str, ...]:
    """One text for each form of the plural."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))


def fills_in_the_same(message: Message) -> bool:
    english = (message.id,) if isinstance(message.id, str) else tuple(message.id)
    known = set(HOLE.findall(english[-1]))
    # "one error" may leave out the number.
    return all(set(HOLE.findall(text)) <= known for text in german_of(message)) and (
        set(HOLE.findall(german_of(message)[-1])) == known
    )


def test_other_holes_are_noticed() -> None:
    assert fills_in_the_same(Message("%(n)s of %(m)s", "%(m)s, davon %(n)s"))
    assert not fills_in_the_same(Message("%(n)s rows", "%(m)s Zeilen"))
    assert not fills_in_the_same(Message(("one row", "%(n)s rows"), ("eine Zeile", "Zeilen")))
    assert fills_in_the_same(Message(("one row", "{n} rows"), ("eine Zeile", "{n} Zeilen")))


def test_what_is_old_or_missing_is_compiled_once(tmp_path: Path) -> None:
    shutil.copytree(catalogue.LOCALE, tmp_path / "locale", ignore=shutil.ignore_patterns("*.mo"))
    made = catalogue.compile_all(tmp_path / "locale")

    assert [path.parts[-3] for path in made] == LANGUAGES
    with made[0].open("rb") as file:
        german = GNUTranslations(file)
    assert german.ngettext("every day", "every %(number)s days", 2) == "alle %(number)s Tage"
    assert catalogue.compile_all(tmp_path / "locale") == []
