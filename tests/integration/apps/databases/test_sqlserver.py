"""Connections to SQL Server, against the stand-in: signing in, and one sentence for what is wrong.

The driver, the protocol, TLS and the sentences are real; what SQL Server makes of a statement is not shown here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connections

from apps.databases.loading import UnusableConnection, use
from apps.databases.models import Connection
from apps.databases.probe import probe
from tests.servers.tds.server import Standin, standing_in
from tests.servers.tls_postgres import CERTIFICATES

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

PASSWORD = "Stock-1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Standin]:
    with standing_in(tmp_path) as standin:
        yield standin


def make(server: Standin, **values: Any) -> Connection:
    usual = {"alias": "warehouse", "engine": "mssql", "host": "127.0.0.1", "port": server.port, "name": "stock"}
    return Connection.objects.create(**({**usual, "user": "dc", "password": PASSWORD} | values))


def test_what_works_is_said_in_one_sentence(server: Standin) -> None:
    found = probe(make(server))
    assert (found.outcome, found.said) == ("WORKS", "SQL Server 16.0.1000.6, not encrypted; tables can be made.")
    found = probe(make(server, alias="two", is_read_only=True))
    assert (found.outcome, found.said.split("; ")[1]) == ("LIMITED", "it can only be read.")


def test_a_database_that_can_only_be_read_says_so(server: Standin) -> None:
    server.read_only.add("stock")
    assert probe(make(server)).outcome == "LIMITED"


@pytest.mark.parametrize("tls", ["PREFER", "REQUIRE", "VERIFY"])
def test_a_line_is_encrypted(tls: str, tmp_path: Path) -> None:
    with standing_in(tmp_path, CERTIFICATES / "valid.pem") as server:
        found = probe(make(server, tls=tls, ca_file=str(CERTIFICATES / "authority.pem")))
    assert found.said == "SQL Server 16.0.1000.6, encrypted; tables can be made."


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"password": "wrong one"}, 'The server refuses user "dc" with this password.'),
        ({"user": "nobody"}, 'The server refuses user "nobody" with this password.'),
        ({"name": "nowhere"}, '"nowhere" on 127.0.0.1:{} does not exist, or "dc" may not open it.'),
        ({"tls": "REQUIRE"}, "127.0.0.1:{} offers no TLS."),
        ({"tls": "VERIFY"}, "127.0.0.1:{} offers no TLS."),
        ({"host": "no.such.host.invalid"}, 'There is no host "no.such.host.invalid".'),
        ({"port": 1}, "Nobody answers at 127.0.0.1:1."),
        (
            {"options": {"driver": "ODBC Driver 99 for SQL Server"}},
            (
                'The ODBC driver "ODBC Driver 99 for SQL Server" is not installed on this machine: '
                "odbcinst -q -d lists those that are"
            ),
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(server: Standin, values: dict[str, Any], sentence: str) -> None:
    server.databases.add("master")
    found = probe(make(server, **values))
    assert (found.outcome, found.said) == ("FAILED", sentence.format(server.port))


@pytest.mark.parametrize(
    ("certificate", "host", "trusted", "sentence"),
    [
        ("expired.pem", "127.0.0.1", True, "The certificate of 127.0.0.1:{} has expired."),
        ("valid.pem", "127.0.0.1", False, "The certificate of 127.0.0.1:{} is not from an authority trusted here."),
        ("valid.pem", "127.0.0.2", True, "The certificate of 127.0.0.2:{} is for another host."),
    ],
)
def test_a_certificate_that_is_no_good_is_named(
    certificate: str, host: str, trusted: bool, sentence: str, tmp_path: Path
) -> None:
    authority = str(CERTIFICATES / "authority.pem") if trusted else ""
    with standing_in(tmp_path, CERTIFICATES / certificate, address=host) as server:
        found = probe(make(server, host=host, tls="VERIFY", ca_file=authority))
    assert found.said == sentence.format(server.port)


def test_a_file_of_authorities_that_is_not_there_is_named(tmp_path: Path) -> None:
    with standing_in(tmp_path, CERTIFICATES / "valid.pem") as server:
        found = probe(make(server, tls="VERIFY", ca_file=str(tmp_path / "gone.pem")))
    assert found.said == f"{tmp_path / 'gone.pem'} cannot be read, or holds no certificates."


def test_a_server_that_never_answers_is_waited_for_a_few_seconds(server: Standin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = probe(make(server, port=port, options={"connect_timeout": 1}))
    assert found.said == f"127.0.0.1:{port} did not answer in time."


def test_another_server_on_the_port_is_told(server: Standin) -> None:
    import threading

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            line.recv(100)
            line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        found = probe(make(server, port=port))
    assert found.said == f"127.0.0.1:{port} answers, but is no SQL Server."


def test_who_has_no_ticket_is_told_so(server: Standin) -> None:
    found = probe(make(server, auth="INTEGRATED", user="", password=""))
    assert "has no Kerberos ticket" in found.said


def test_no_sentence_holds_the_password(server: Standin) -> None:
    found = probe(make(server, password="c4nary of a database", options={"driver": "c4nary of a database"}))
    assert "c4nary" not in found.said


@pytest.mark.usefixtures("further_connections")
def test_a_read_only_connection_writes_nothing(server: Standin) -> None:
    make(server, is_read_only=True)
    with connections[use("warehouse")].cursor() as cursor:
        cursor.execute("SELECT name, 'insert' AS [update] FROM sys.tables WHERE name = %s", ["x"])
        for statement in ("CREATE TABLE price (isbn int)", "SELECT 1 AS a INTO price", "EXEC sp_who", "sp_who"):
            with pytest.raises(DatabaseError, match='Connection "warehouse" is read only'):
                cursor.execute(statement)
    assert not [text for text in server.asked if "price" in text or "sp_who" in text]


@pytest.mark.usefixtures("further_connections")
def test_missing_packages_are_one_sentence_with_the_command(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    row = make(server)
    monkeypatch.setitem(sys.modules, "pyodbc", None)
    assert probe(row).said == "SQL Server needs further packages: make install EXTRA=mssql"
    with pytest.raises(UnusableConnection, match="make install EXTRA=mssql"):
        use("warehouse")


@pytest.mark.usefixtures("further_connections")
@pytest.mark.parametrize(("wrong", "state"), [({"password": "wrong"}, "28000"), ({"port": 1}, "08001")])
def test_a_run_is_told_who_refused_it_by_the_code_of_the_standard(
    server: Standin, wrong: dict[str, Any], state: str
) -> None:
    make(server, **wrong)
    with pytest.raises(DatabaseError) as refused:
        connections[use("warehouse")].ensure_connection()
    assert getattr(refused.value, "sqlstate", None) == state
