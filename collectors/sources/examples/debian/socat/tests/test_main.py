from __future__ import annotations

from pathlib import Path

import pytest

from collectors.sources.examples.debian.socat.main import Socat, parse
from collectors.sources.examples.debian.socat.models import AddressType
from collectors.toolkit.errors import Blocker, ParseError
from collectors.toolkit.http import ClientPool, Profile, Request, networks
from collectors.toolkit.testing import MemoryContext, make_context

APP = "examples.debian.socat"
ROOM = Path(__file__).parent.parent
INSTALLED = Path("/usr/share/doc/socat")


def collected(folder: Path) -> MemoryContext:
    pool = ClientPool(lambda: Request(Profile(allowed=networks("127.0.0.1"))))
    context = make_context(Socat.Args(folder=folder), app=APP, clients=pool)
    try:
        assert Socat(context).run().complete
    finally:
        pool.close()
    return context


def test_it_collects_every_type_of_address() -> None:
    context = collected(ROOM / "tests" / "pages")

    assert context.records.rows(AddressType) == [
        {"form": "PIPE", "about": "Makes a pipe, as pipe() does.", "option_groups": "FD"},
        {"form": "TCP:<host>:<port>", "about": "Connects to <port> on <host>.", "option_groups": "FD, SOCKET, TCP"},
        {"form": "VSOCK", "about": "Is described without groups.", "option_groups": ""},
    ]
    assert context.progress.size == 3


def test_source_and_table_together_take_less_than_sixty_lines() -> None:
    lines = [len((ROOM / name).read_text("utf-8").splitlines()) for name in ("main.py", "models.py")]

    assert sum(lines) < 60


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        (b"<p>Welcome</p>", "has 0 types of addresses"),
        (b'<dl><dt>A<dd>a <a name="ADDRESS_EXEC"></a><dt>B</dl>', "has 2 types of addresses and 1 descriptions"),
    ],
)
def test_it_refuses_a_page_that_is_not_the_manual(html: bytes, complaint: str) -> None:
    with pytest.raises(ParseError, match=complaint):
        parse(html)


def test_it_says_which_package_to_install(tmp_path: Path) -> None:
    with pytest.raises(Blocker, match=r"install it with `apt install socat`"):
        Socat(make_context(Socat.Args(folder=tmp_path), app=APP)).run()


@pytest.mark.skipif(not (INSTALLED / "socat.html").is_file(), reason="the manual of socat is not installed")
def test_it_collects_the_manual_that_is_installed() -> None:
    rows = {row["form"]: row for row in collected(INSTALLED).records.rows(AddressType)}

    assert len(rows) > 70
    assert rows["TCP:<host>:<port>"]["option_groups"] == "FD, SOCKET, IP4, IP6, TCP, RETRY"
    assert rows["TCP:<host>:<port>"]["about"].startswith("Connects to <port> [ TCP service ] on <host>")
