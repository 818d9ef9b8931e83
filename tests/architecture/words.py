"""What a template, or the code of a page, says to people without having it translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from django.template.base import Lexer, Token, TokenType

#: Names, and units that are the same in every language.
SAME = re.compile(r"Data Collector|\b(UTC|ms|px|JSONL|CSV|XLSX|API|CPU|DC_\w+)\b")
WORD = re.compile(r"[A-Za-z]{2,}")
#: Elements whose text nobody reads as words.
CODE = {"code", "pre", "script", "style", "kbd"}
#: The class of elements whose text is the name of an icon.
ICON = "material-symbols"
#: Attributes that are read, or read out.
SPOKEN = {"aria-label", "aria-description", "title", "placeholder", "alt", "data-label", "label"}
_HOLE = " "
#: Constants in tags and filters that end up on the page.
_IN_TAG = re.compile(r'\b(?:text|title|label|description)="([^"{]*)"')
_IN_FILTER = re.compile(r'\|(?:default|default_if_none|yesno):"([^"]*)"')


def unmarked_in_template(source: str) -> Iterator[str]:
    """The texts of a template that are not inside of `translate` or `blocktranslate`."""
    page = _Page()
    is_translated = False
    for token in Lexer(source).tokenize():
        if token.token_type == TokenType.BLOCK:
            name = token.contents.split(maxsplit=1)[0]
            is_translated = name in ("blocktranslate", "blocktrans") or (
                is_translated and name not in ("endblocktranslate", "endblocktrans")
            )
        if token.token_type == TokenType.TEXT:
            page.feed("" if is_translated else token.contents)
        else:
            page.found += _handed_on(token)
            # Where a constant ends up decides whether anybody reads it.
            page.feed(_HOLE + " ".join(_IN_FILTER.findall(token.contents)) + _HOLE)
    page.close()
    yield from (text for text in page.found if _has_words(text))


def _handed_on(token: Token) -> list[str]:
    """What another template will show."""
    return _IN_TAG.findall(token.contents) if token.contents.startswith(("include ", "component ")) else []


def _has_words(text: str) -> bool:
    return bool(WORD.search(SAME.sub("", text)))


class _Page(HTMLParser):
    """Collects what is read. A space stands where a tag of the template is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in CODE or ICON in (dict(attrs).get("class") or ""):
            self.inside.append(tag)
        is_button = tag == "input" and dict(attrs).get("type") in ("submit", "button", "reset")
        for name, value in attrs:
            if name in SPOKEN or (is_button and name == "value"):
                self.found.append((value or "").strip())

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            self.inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.found.append(data.strip())


#: Keyword of a call -> what it holds is shown; and functions whose argument at that place is.
KEYWORDS = {"description", "help_text", "label", "search_help_text", "verbose_name"}
CALLS = {"message_user": 1, "ValidationError": 0, "Http404": 0, "add_error": 1, "label": 0}
ASSIGNED = {"title", "search_help_text", "index_title", "site_title", "site_header"}


def unmarked_in_code(source: str) -> Iterator[str]:
    """Constants and f-strings at places of the code of pages whose text is shown."""
    for node in ast.walk(ast.parse(source)):
        for value in _shown(node):
            yield from _unmarked(value)


def _shown(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call():
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield from (keyword.value for keyword in node.keywords if keyword.arg in KEYWORDS)
            yield from node.args[CALLS[name] : CALLS[name] + 1] if name in CALLS else ()
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in ASSIGNED:
            yield value
        case ast.Tuple(elts=[title, ast.Dict(keys=keys, values=values)]):
            yield title
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "description":
                    yield value


def _unmarked(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)) if _has_words(text):
            yield text
        case ast.JoinedStr(values=parts):
            text = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
            if _has_words(text):
                yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _unmarked(body)
            yield from _unmarked(orelse)
        case ast.BoolOp(values=values):
            for one in values:
                yield from _unmarked(one)
