"""Reading requests strictly: what no column or no reader could hold is refused where it comes in."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser

from apps.api.problems import Fault, Problem

#: Numbers beyond it fit no column and lose digits in most languages.
MOST_NUMBER = 2**63 - 1


class StrictParser(Parser):
    """Reads bodies and queries."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = json.loads(request.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            raise Problem("bad-json", f"The body cannot be read as JSON{place}.") from None
        check_values(body)
        return body

    def parse_querydict(self, data: MultiValueDict, list_fields: list[str], request: HttpRequest) -> Any:  # type: ignore[type-arg]
        for name, values in data.lists():
            if any("\x00" in value for value in (name, *values)):
                raise _refused(name.replace("\x00", ""), "It holds the character NUL; take that out.", is_body=False)
            if len(values) > 1 and name not in list_fields:
                raise _refused(name, "It is given more than once.", is_body=False)
        return super().parse_querydict(data, list_fields, request)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON, though Python's reader takes them


def check_values(body: Any) -> None:
    """Raises `Problem` where something stands that cannot be stored."""
    waiting: list[tuple[str, Any]] = [("", body)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            for name in value:
                _check_text(place, name)
            waiting += [(f"{place}/{_escaped(name)}", inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{place}/{number}", inner) for number, inner in enumerate(value)]
        elif isinstance(value, str):
            _check_text(place, value)
        elif isinstance(value, int | float) and abs(value) > MOST_NUMBER:
            raise _refused(place, "The number is too large to be stored.")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _check_text(place: str, text: str) -> None:
    if "\x00" in text:
        raise _refused(place, "The text holds the character NUL; take that out.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refused(place, "The text holds half a character (a lone surrogate); take that out.") from None


def _refused(place: str, detail: str, *, is_body: bool = True) -> Problem:
    place = place.encode(errors="replace").decode()
    fault = Fault(detail=detail, pointer=place or "/") if is_body else Fault(detail=detail, parameter=place)
    return Problem("invalid", f"{place.removeprefix('/')}: {detail}" if place else detail, errors=[fault])
