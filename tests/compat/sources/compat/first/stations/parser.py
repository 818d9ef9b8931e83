# NEVER EDIT THIS FILE. It was written against the first version of the contract of sources, and has to run unchanged
# for as long as that contract stands (tests/compat/README.md). If it fails, what broke it is what needs repair.
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from selectolax.lexbor import LexborHTMLParser

from collectors.toolkit.errors import ParseError


@dataclass(frozen=True, slots=True)
class StationRow:
    country: str
    code: str
    name: str
    height_m: Decimal | None


def parse_countries(html: bytes) -> list[str]:
    countries = [link.text(strip=True) for link in LexborHTMLParser(html).css("a.country")]
    if not countries:
        raise ParseError("The page names no countries.")
    return countries


def parse_stations(html: bytes, country: str) -> Iterator[StationRow]:
    for row in LexborHTMLParser(html).css("tr.station"):
        code, name, height = (cell.text(strip=True) for cell in row.css("td"))
        yield StationRow(country=country, code=code, name=name, height_m=Decimal(height) if height else None)
