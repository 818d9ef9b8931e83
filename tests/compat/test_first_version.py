"""The rooms of the first version of the contract, loaded through DC_SOURCES_PATH and run as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collectors.discovery import find_rooms

SOURCES = Path(__file__).parent / "sources"
ROOT = Path(__file__).parents[2]

SITE = "https://weather.example/"
PAGES = {
    SITE: '<a class="country">hr</a> <a class="country">si</a> <a class="country">xx</a>',
    f"{SITE}hr/?all=1": '<table><tr class="station"><td>ZG1</td><td>Zagreb Grič</td><td>157.0</td></tr></table>',
    f"{SITE}si/?all=1": '<table><tr class="station"><td>LJ1</td><td>Ljubljana</td><td></td></tr></table>',
}
STATIONS = {"code": "compat.first.stations", "answers": PAGES}
READINGS = {"code": "compat.first.readings", "args": {"url": SITE, "stations": "ZG1,LJ1"}}
COLD = '{"2026-01-01T00:00:00Z": -3.5}'
FERRIES = {"code": "compat.first.ferries", "args": {}, "answers": {}}
BROKEN = '{"2026-01-01T00:00:00Z": null}'

JOBS: dict[str, dict[str, Any]] = {
    "class": {**STATIONS, "args": {"base_url": SITE, "skip": ["xx"]}},
    "class, an item fails": {**STATIONS, "args": {"base_url": SITE}},
    "class, dry": {**STATIONS, "args": {"base_url": SITE, "skip": ["xx"]}, "dry_run": True},
    "sets its next run": FERRIES,
    "function": {**READINGS, "answers": {f"{SITE}ZG1.json": COLD, f"{SITE}LJ1.json": BROKEN}},
    "function, an item fails": {**READINGS, "answers": {f"{SITE}ZG1.json": COLD, f"{SITE}LJ1.json": 503}},
}


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.compat.run_rooms"],
        input=json.dumps(JOBS),
        cwd=ROOT,
        env={**os.environ, "DC_SOURCES_PATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_rooms_outside_the_repository_are_found_beside_its_own() -> None:
    folders = {room.info.code: room.folder for room in find_rooms(further=[SOURCES])}

    assert folders["compat.first.readings"] == SOURCES / "compat" / "first" / "readings"
    assert folders["compat.first.stations"] == SOURCES / "compat" / "first" / "stations"
    assert "examples.shop.books" in folders


def test_a_collector_class_runs_unchanged(results: dict[str, Any]) -> None:
    result = results["class"]

    assert result["outcome"] == {"ending": "SUCCEEDED", "cause": "", "complete": True}
    assert result["rows"]["Station"] == [
        {"country": "hr", "code": "ZG1", "name": "Zagreb Grič", "height_m": "157.0", "is_open": True},
        {"country": "hr", "code": "0", "name": "Head office", "height_m": None, "is_open": False},
        {"country": "si", "code": "LJ1", "name": "Ljubljana", "height_m": None, "is_open": True},
        {"country": "si", "code": "0", "name": "Head office", "height_m": None, "is_open": False},
    ]
    assert result["rows"]["Network"] == [
        {"name": "Network hr", "stations": 1},
        {"name": "Network si", "stations": 1},
    ]
    assert result["events"] == ["country.fetched", "country.fetched", "item.skipped", "stations.finished"]


def test_an_item_that_fails_leaves_the_others_and_makes_the_run_incomplete(results: dict[str, Any]) -> None:
    result = results["class, an item fails"]

    assert (result["outcome"]["ending"], result["outcome"]["complete"]) == ("SUCCEEDED", False)
    assert result["progress"] == [2, 1, None]
    assert len(result["rows"]["Station"]) == 4


def test_a_dry_run_counts_and_writes_nothing(results: dict[str, Any]) -> None:
    result = results["class, dry"]

    assert result["totals"]["inserted"] == 6
    assert result["rows"] == {"Station": [], "Network": []}


def test_a_source_that_sets_its_next_run_runs_unchanged(results: dict[str, Any]) -> None:
    result = results["sets its next run"]

    assert result["outcome"]["next_run"] == "2030-05-17 04:30:00+00:00"
    assert result["events"] == ["port.seen", "port.seen"]


def test_a_plain_function_runs_unchanged(results: dict[str, Any]) -> None:
    result = results["function"]

    assert result["outcome"] == {"ending": "SUCCEEDED", "cause": "", "complete": True}
    assert result["progress"] == [2, 0, 2]
    assert result["rows"]["Reading"] == [
        {"station": "ZG1", "taken_at": "2026-01-01 00:00:00+00:00", "celsius": -3.5},
        {"station": "LJ1", "taken_at": "2026-01-01 00:00:00+00:00", "celsius": None},
    ]


def test_a_plain_function_says_itself_how_the_run_ended(results: dict[str, Any]) -> None:
    result = results["function, an item fails"]

    cause = "1 of 2 stations gave no readings."
    assert result["outcome"] == {"ending": "SUCCEEDED", "cause": cause, "complete": False}
    assert result["progress"] == [1, 1, 2]
    assert result["events"] == ["station.failed"]
