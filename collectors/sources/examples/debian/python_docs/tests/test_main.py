from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from collectors.contract import Ending
from collectors.sources.examples.debian.python_docs.main import PythonDocs
from collectors.sources.examples.debian.python_docs.models import Module
from collectors.toolkit.errors import Blocker, ParseError
from collectors.toolkit.http import ClientPool, Profile, Request, networks
from collectors.toolkit.testing import CannedClients, make_context

APP = "examples.debian.python_docs"
PAGES = Path(__file__).parent / "pages"
SITE = "https://docs.example/3"
INSTALLED = Path("/usr/share/doc/python3/html")


def test_it_collects_every_module_of_a_site() -> None:
    context = make_context(PythonDocs.Args(base_url=SITE), app=APP, clients=CannedClients.from_folder(PAGES, SITE))

    outcome = PythonDocs(context).run()

    rows = {row["name"]: row for row in context.records.rows(Module)}
    assert outcome.complete
    assert (context.progress.solved, context.progress.size, len(rows)) == (8, 8, 8)
    assert rows["aged"] == {
        "name": "aged",
        "synopsis": "Better left alone.",
        "platform": "Linux, FreeBSD",
        "is_deprecated": True,
        "page": "library/aged.html",
        "source_url": "",
    }
    assert rows["package.part"]["source_url"] == "https://code.example/package/"


def test_it_fetches_a_page_that_modules_share_once() -> None:
    clients = CannedClients.from_folder(PAGES, SITE)

    PythonDocs(make_context(PythonDocs.Args(base_url=SITE), app=APP, clients=clients)).run()

    assert len(clients.urls) == len(set(clients.urls)) == 5


def test_a_second_run_on_the_same_pages_changes_nothing() -> None:
    clients = CannedClients.from_folder(PAGES, SITE)
    first = make_context(PythonDocs.Args(base_url=SITE), app=APP, clients=clients)
    PythonDocs(first).run()

    second = make_context(PythonDocs.Args(base_url=SITE), app=APP, clients=clients, records=first.records)
    PythonDocs(second).run()

    assert (second.records.totals.inserted, second.records.totals.unchanged) == (8, 8)
    assert second.records.history(Module) == []


def test_a_page_that_is_gone_fails_its_modules_and_archives_nothing() -> None:
    clients = CannedClients.from_folder(PAGES, SITE)
    first = make_context(PythonDocs.Args(base_url=SITE), app=APP, clients=clients)
    PythonDocs(first).run()
    clients.answer(f"{SITE}/library/aged.html", 404)

    second = make_context(PythonDocs.Args(base_url=SITE), app=APP, clients=clients, records=first.records)
    outcome = PythonDocs(second).run()

    assert (outcome.ending, outcome.complete) == (Ending.SUCCEEDED, False)
    assert second.progress.failed == 1
    assert len(second.records.rows(Module)) == 8


def test_a_site_without_an_index_ends_the_run_and_writes_nothing() -> None:
    clients = CannedClients({f"{SITE}/py-modindex.html": "<html><body>Welcome</body></html>"})
    context = make_context(PythonDocs.Args(base_url=SITE), app=APP, clients=clients)

    with pytest.raises(ParseError, match="not the module index"):
        PythonDocs(context).run()

    assert context.records.rows(Module) == []


def test_it_serves_the_folder_itself_and_stops_serving_at_the_end() -> None:
    pool = ClientPool(lambda: Request(Profile(allowed=networks("127.0.0.1"))))
    source = PythonDocs(make_context(PythonDocs.Args(folder=PAGES), app=APP, clients=pool))
    try:
        assert source.run().complete
    finally:
        pool.close()

    assert source.base_url.startswith("http://127.0.0.1:")
    with pytest.raises(httpx.ConnectError):
        httpx.get(source.base_url)


def test_it_says_which_package_to_install_when_the_folder_is_missing(tmp_path: Path) -> None:
    context = make_context(PythonDocs.Args(folder=tmp_path / "absent"), app=APP)

    with pytest.raises(Blocker, match=r"absent: install it with `apt install python3-doc`"):
        PythonDocs(context).run()


def test_it_refuses_a_base_url_that_is_no_web_address() -> None:
    with pytest.raises(ValidationError, match="base_url"):
        PythonDocs.Args(base_url="ftp://docs.example/")


@pytest.mark.skipif(not (INSTALLED / "objects.inv").is_file(), reason="python3-doc is not installed")
def test_it_collects_every_module_of_the_installed_documentation() -> None:
    pool = ClientPool(lambda: Request(Profile(allowed=networks("127.0.0.1"))))
    context = make_context(PythonDocs.Args(folder=INSTALLED), app=APP, clients=pool)
    try:
        outcome = PythonDocs(context).run()
    finally:
        pool.close()

    rows = {row["name"]: row for row in context.records.rows(Module)}
    assert (outcome.ending, outcome.complete, outcome.cause) == (Ending.SUCCEEDED, True, "")
    assert {name: row["page"] for name, row in rows.items()} == modules_of_the_inventory(INSTALLED / "objects.inv")
    assert (rows["fcntl"]["platform"], rows["fcntl"]["is_deprecated"]) == ("Unix", False)
    assert rows["optparse"]["is_deprecated"]
    assert rows["dbm.dumb"]["source_url"].endswith("/Lib/dbm/dumb.py")


def modules_of_the_inventory(file: Path) -> dict[str, str]:
    """The modules and their pages, from the file that Sphinx writes for machines: four lines, then zlib."""
    import zlib

    packed = file.read_bytes().split(b"\n", 4)[4]
    entries = [line.split(" ", 4) for line in zlib.decompress(packed).decode().splitlines()]
    return {name: page.partition("#")[0] for name, role, _, page, _ in entries if role == "py:module"}
