"""The catalogue: what the code says to people, in English, and what other languages say for it (docs/translating.md).

    python -m config.catalogue update     collects what the code says into locale/*/LC_MESSAGES/django.po
    python -m config.catalogue compile    makes the django.mo that processes read, where it is older than its django.po

Both are Babel's work and need no program beside Python; Django's own `makemessages` would need those of GNU gettext.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

BASE_DIR = Path(__file__).resolve().parents[1]
LOCALE = BASE_DIR / "locale"
#: Where people's pages and messages are written.
FOLDERS = ("apps", "config", "templates")
#: Packages whose pages are ours as well, and that do not speak each of our languages, or not all of it; and what of
#: them nobody opens here.
LENT = ("unfold", "oauth2_provider", "django_celery_beat")
UNUSED = (
    "contrib",
    "import_export",
    "simple_history",
    "guardian",
    "oauth2_provider/templates",
    "oauth2_provider/views",
)
#: What Django translates itself.
DJANGO = ("conf", *(f"contrib/{name}" for name in ("admin", "auth", "contenttypes", "sessions")))
#: Lines of a header that say when and by whom: the history of the repository does.
_DATED = re.compile(rb'^"(POT-|PO-Rev|Report-|Last-Tr|Language-Team|Generated-By).*\n', re.MULTILINE)
KEYWORDS: dict[str, Any] = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


def languages(locale: Path = LOCALE) -> list[str]:
    """Those that there is a catalogue for."""
    return sorted(file.parts[-3] for file in locale.glob("*/LC_MESSAGES/django.po"))


def catalogue_of(language: str, locale: Path = LOCALE) -> Catalog:
    """What people have translated."""
    with (locale / language / "LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file, locale=language)


def collected(language: str) -> Catalog:
    """What the code says: ours, and of packages what nobody else has translated into that language."""
    from apps.core.names import texts

    _import_choices()
    catalogue = Catalog(locale=language, charset="utf-8")
    known = _known(language)
    for name in FOLDERS:
        for message, context in _messages(BASE_DIR / name):
            catalogue.add(message, context=context)
    for text in sorted(texts()):
        if (text, None) not in known:
            catalogue.add(text)
    for folder in _lent():
        for message, context in _messages(folder, but=UNUSED):
            if (message if isinstance(message, str) else message[0], context) not in known:
                catalogue.add(message, context=context)
    return catalogue


def merged(language: str, locale: Path = LOCALE) -> Catalog:
    """The catalogue with what the code says today; what is new in it is not translated yet."""
    catalogue = catalogue_of(language, locale)
    catalogue.update(collected(language), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    return catalogue


def written(catalogue: Catalog) -> bytes:
    """A catalogue as its file has it: in one order, without places, so that two people's changes meet seldom."""
    text = io.BytesIO()
    write_po(text, catalogue, width=120, no_location=True, sort_output=True, ignore_obsolete=True)
    return _DATED.sub(b"", text.getvalue()).rstrip(b"\n") + b"\n"


def update(locale: Path = LOCALE) -> None:
    for language in languages(locale):
        (locale / language / "LC_MESSAGES/django.po").write_bytes(written(merged(language, locale)))


def compile_all(locale: Path = LOCALE) -> list[Path]:
    """Make each compiled catalogue that is missing or older than its source, and return them."""
    made = []
    for language in languages(locale):
        source = locale / language / "LC_MESSAGES/django.po"
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        # Several processes may be at it: each leaves a whole file.
        draft = target.with_suffix(f".{os.getpid()}")
        with draft.open("wb") as file:
            write_mo(file, catalogue_of(language, locale))
        draft.replace(target)
        made.append(target)
    return made


def _import_choices() -> None:
    """Choices of modules that are loaded with a page only are collected as well."""
    for path in sorted((BASE_DIR / "apps").rglob("*.py")):
        if "Choices)" in path.read_text("utf-8") and "migrations" not in path.parts:
            import_module(".".join(path.relative_to(BASE_DIR).with_suffix("").parts))


def _messages(folder: Path, but: Collection[str] = ()) -> Iterator[tuple[Any, str | None]]:
    for path in sorted(folder.rglob("*")):
        if "migrations" in path.parts or path.suffix not in (".py", ".html", ".txt"):
            continue
        if any(f"/{name}/" in str(path) for name in but):
            continue
        text = path.read_text("utf-8")
        code = text if path.suffix == ".py" else _code_of(text)
        if "gettext" not in code and "_(" not in code:
            continue
        for _line, message, _comments, context in extract("python", io.BytesIO(code.encode()), KEYWORDS):
            yield message, context


def _code_of(template: str) -> str:
    """What a template says, as calls; Python's grammar minds the spaces before a line, templates do not."""
    from django.utils.translation.template import templatize

    return "\n".join(line.strip() for line in templatize(template).splitlines())


def _lent() -> Iterator[Path]:
    from importlib.util import find_spec

    for name in LENT:
        found = find_spec(name)
        yield from map(Path, (found.submodule_search_locations if found else None) or [])


def _known(language: str) -> set[tuple[str, str | None]]:
    """What Django, and the packages themselves, have translated."""
    import django

    home = Path(django.__file__).parent
    places = [home / name / "locale" / language / "LC_MESSAGES/django.po" for name in DJANGO]
    for folder in _lent():
        places += folder.rglob(f"locale/{language}/LC_MESSAGES/django.po")
    known = set()
    for place in places:
        with place.open("rb") as file:
            for message in read_po(file):
                if message.id and message.string and not message.fuzzy:
                    known.add((message.id if isinstance(message.id, str) else message.id[0], message.context))
    return known


if __name__ == "__main__":
    if sys.argv[1:] == ["update"]:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        import django

        django.setup()
        update()
    elif sys.argv[1:] == ["compile"]:
        compile_all()
    else:
        sys.exit(f"{__doc__}")
