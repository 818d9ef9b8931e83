"""Connections: the form, the test, and what is said when something is wrong."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry
from apps.core.encryption.fields import Sealed
from apps.databases.connectors import connector_of
from apps.databases.loading import UnusableConnection, forget, use
from apps.databases.models import Connection
from apps.databases.probe import probe, probe_requested
from tests.integration.people import messages_of, signed_in
from tests.servers.tls_postgres import CERTIFICATES, tls_only
from tests.services import postgres

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

PAGES = "/admin/databases/connection/"
PASSWORD = "c4nary of a database"


def fields(**values: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("host", "port", "user", "password", "ca_file"), "")
    usual = {"alias": "warehouse", "engine": "postgresql", "is_enabled": "on", "auth": "PASSWORD", "tls": "PREFER"}
    return usual | empty | {"name": "stock", "options": "{}"} | values


def make(**values: Any) -> Connection:
    return Connection.objects.create(**({"alias": "warehouse", "engine": "postgresql", "name": "postgres"} | values))


def file_connection(tmp_path: Path, **values: Any) -> Connection:
    return make(engine="sqlite", name=str(tmp_path / "stock.sqlite3"), **values)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a PostgreSQL that listens there and nowhere else, and asks `locked` for a password."""
    worker = os.getpid()
    host = f"127.77.{worker >> 8 & 255}.{worker % 254 + 1}"
    own = postgres.start_own((*postgres.UNSAFE_BUT_QUICK, "-h", host))
    rules = own.folder / "data" / "pg_hba.conf"
    rules.write_text(
        "local all all trust\nhost all locked 127.0.0.0/8 scram-sha-256\n"
        "host all outside 127.0.0.0/8 reject\nhost all all 127.0.0.0/8 trust\n"
    )
    try:
        import psycopg

        with psycopg.connect(own.url, autocommit=True) as line:
            line.execute(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'")
            line.execute("CREATE ROLE reader LOGIN")
            line.execute("SELECT pg_reload_conf()")
        yield host
    finally:
        own.stop()


# -- The form ----------------------------------------------------------------------------------------------------------


def test_a_password_goes_in_and_never_comes_out() -> None:
    client = signed_in("admin")
    made = client.post(f"{PAGES}add/", fields(host="db.example.com", user="dc", password=PASSWORD))
    assert made.status_code == 302, made.text
    row = Connection.objects.get()
    assert row.password == PASSWORD
    stored: Any = Connection.objects.values_list("password", flat=True).get()
    assert isinstance(stored, Sealed)
    assert PASSWORD not in stored.token
    for address in (PAGES, f"{PAGES}{row.pk}/change/", f"{PAGES}{row.pk}/history/"):
        page = client.get(address)
        assert page.status_code == 200
        assert PASSWORD not in page.text


def test_the_password_stays_unless_its_place_changes() -> None:
    client = signed_in("admin")
    client.post(f"{PAGES}add/", fields(host="db.example.com", password=PASSWORD))
    row = Connection.objects.get()
    page = f"{PAGES}{row.pk}/change/"
    assert client.post(page, fields(host="db.example.com", name="other")).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.password) == ("other", PASSWORD)
    assert "Type it again: where it goes has changed." in client.post(page, fields(host="evil.example.com")).text
    assert client.post(page, fields(host="new.example.com", password="another one")).status_code == 302
    row.refresh_from_db()
    assert (row.host, row.password) == ("new.example.com", "another one")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"alias": "default"}, "is a database of the settings"),
        ({"alias": "Ware house"}, "Write small letters"),
        ({"host": ""}, "PostgreSQL needs a host."),
        ({"engine": "oracle"}, "Select a valid choice"),
        ({"port": "70000"}, "less than or equal to 65535"),
        ({"options": '{"passfile": "/etc/shadow"}'}, "not passfile"),
        ({"options": "[1]"}, "Write an object"),
        ({"options": "{"}, "Enter a valid JSON"),
        ({"ca_file": "here.pem"}, "Write an absolute path."),
        ({"engine": "sqlite", "name": "here.sqlite3"}, "Write the absolute path of the file."),
        ({"engine": "mssql", "options": '{"driver": 18}'}, "driver is a text."),
        ({"engine": "mssql", "options": '{"query_timeout": "soon"}'}, "query_timeout is a number of seconds."),
    ],
)
def test_a_wrong_field_is_named(wrong: dict[str, str], sentence: str) -> None:
    page = signed_in("admin").post(f"{PAGES}add/", fields(**{"host": "db.example.com", **wrong}))
    assert page.status_code == 200
    assert sentence in page.text
    assert not Connection.objects.exists()


def test_a_driver_that_is_not_installed_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mssql_python", None)  # so that its import fails, also where it is installed
    wrong = fields(host="db.example.com", engine="mssql", options='{"driver": "mssql-python"}')
    page = signed_in("admin").post(f"{PAGES}add/", wrong)
    assert page.status_code == 200
    assert "The driver of Microsoft is not installed: make install EXTRA=mssql-microsoft" in page.text
    assert not Connection.objects.exists()


def test_an_operator_looks_and_changes_nothing(tmp_path: Path) -> None:
    row = file_connection(tmp_path)
    client = signed_in("operator")
    page = client.get(f"{PAGES}{row.pk}/change/")
    assert page.status_code == 200
    assert 'name="password"' not in page.text
    assert "Never shown again" not in page.text
    assert client.post(f"{PAGES}{row.pk}/test/").status_code == 403
    assert client.get(f"{PAGES}add/").status_code == 403


# -- The test ----------------------------------------------------------------------------------------------------------


def test_the_button_asks_and_a_manager_answers(tmp_path: Path) -> None:
    row = file_connection(tmp_path)
    client = signed_in("admin")
    asked = client.post(f"{PAGES}{row.pk}/test/", follow=True)
    assert "is being tested" in messages_of(asked)[0]
    waiting = client.get(f"{PAGES}{row.pk}/change/")
    assert 'http-equiv="refresh"' in waiting.text
    for thread in probe_requested():
        thread.join()
    assert probe_requested() == []
    answered = client.get(f"{PAGES}{row.pk}/change/")
    assert "tables can be made." in answered.text
    assert 'http-equiv="refresh"' not in answered.text


def test_the_list_costs_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in("admin")
    for count in (1, 5):
        for number in range(count):
            make(alias=f"w{count}{number}", host="db.example.com")
        with django_assert_num_queries(7):
            client.get(PAGES)


def test_what_works_is_said_in_one_sentence(server: str, tmp_path: Path) -> None:
    found = probe(make(host=server, user="postgres"))
    assert found.outcome == "WORKS"
    assert found.said.startswith("PostgreSQL 18")
    assert found.said.endswith(", not encrypted; tables can be made.")
    limited = probe(make(alias="two", host=server, user="postgres", is_read_only=True))
    assert (limited.outcome, limited.said.split("; ")[1]) == ("LIMITED", "it can only be read.")
    # Whoever may make no tables can only read, whatever the connection says.
    assert probe(make(alias="three", host=server, user="reader", name="postgres")).outcome == "LIMITED"
    assert probe(file_connection(tmp_path, alias="file")).outcome == "WORKS"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"user": "locked", "password": "wrong one"}, 'The server refuses user "locked" with this password.'),
        ({"user": "locked"}, 'The server wants a password for user "locked".'),
        ({"user": "outside"}, 'does not let user "outside" in from this machine (pg_hba.conf).'),
        ({"user": "postgres", "name": "nowhere"}, 'There is no database "nowhere" on '),
        ({"user": "postgres", "tls": "REQUIRE"}, "offers no TLS."),
        ({"user": "postgres", "host": "no.such.host.invalid"}, 'There is no host "no.such.host.invalid".'),
        ({"user": "postgres", "host": "127.0.0.1", "port": 1}, "Nobody answers at 127.0.0.1:1."),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(server: str, values: dict[str, Any], sentence: str) -> None:
    found = probe(make(**({"host": server} | values)))
    assert found.outcome == "FAILED"
    assert sentence in found.said
    assert "\n" not in found.said


@pytest.mark.parametrize(
    ("certificate", "trusted", "sentence"),
    [
        ("expired.pem", True, "The certificate of 127.0.0.1:{} has expired."),
        ("valid.pem", False, "The certificate of 127.0.0.1:{} is not from an authority trusted here."),
    ],
)
def test_a_certificate_that_is_no_good_is_named(certificate: str, trusted: bool, sentence: str) -> None:
    authority = str(CERTIFICATES / "authority.pem") if trusted else ""
    with tls_only(certificate) as port:
        found = probe(make(host="127.0.0.1", port=port, user="dc", tls="VERIFY", ca_file=authority))
    assert found.said == sentence.format(port)


def test_a_server_that_never_answers_is_waited_for_a_few_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = probe(make(host="127.0.0.1", port=port, user="dc", options={"connect_timeout": 2}))
    assert found.said == f"127.0.0.1:{port} did not answer in time."


def test_files_that_are_no_good_are_named(tmp_path: Path) -> None:
    assert probe(file_connection(tmp_path / "gone", alias="a")).said == f"There is no folder {tmp_path / 'gone'}."
    missing = file_connection(tmp_path, alias="b", is_read_only=True)
    assert probe(missing).said.endswith("cannot be opened: it is missing, or its permissions do not allow it.")
    (tmp_path / "stock.sqlite3").write_text("this is no database, however long it is " * 100)
    assert probe(file_connection(tmp_path, alias="c")).said.endswith("stock.sqlite3 is not a SQLite database.")


def test_a_password_is_in_no_error(server: str) -> None:
    row = make(host=server, user="postgres", password=PASSWORD)
    assert connector_of(row).explain(ValueError(f"cannot parse {PASSWORD}")) == "cannot parse ******"


# -- The shell ---------------------------------------------------------------------------------------------------------


def test_in_the_shell(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r'There is no connection "nowhere"; there are: none\.'):
        call_command("connection", "test", "nowhere")
    row = file_connection(tmp_path)
    call_command("connection", "test", "warehouse", stdout=StringIO())
    row.refresh_from_db()
    assert row.test_outcome == "WORKS"
    assert AuditEntry.objects.get(action="connection.tested").source == "SHELL"
    said = StringIO()
    call_command("connection", "list", stdout=said)
    assert said.getvalue().startswith("warehouse            SQLite")
    broken = file_connection(tmp_path / "gone", alias="gone")
    with pytest.raises(CommandError, match="There is no folder"):
        call_command("connection", "test", broken.alias)


# -- Loading -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("further_connections")
def test_a_connection_is_there_when_it_is_needed(tmp_path: Path) -> None:
    row = file_connection(tmp_path)
    with connections[use("warehouse")].cursor() as cursor:
        cursor.execute("CREATE TABLE price (isbn text)")
    # Elsewhere: a change is seen, and a thread lets go of what it held.
    row.name = str(tmp_path / "other.sqlite3")
    row.save()
    forget("warehouse")
    assert connections[use("warehouse")].introspection.table_names() == []
    row.is_enabled = False
    row.save()
    forget("warehouse")
    with pytest.raises(UnusableConnection, match=r'Connection "warehouse" is disabled\. There are no'):
        use("warehouse")
    with pytest.raises(UnusableConnection, match=r'Connection "elsewhere" does not exist\.'):
        use("elsewhere")


@pytest.mark.usefixtures("further_connections")
def test_a_read_only_connection_writes_nothing(server: str, tmp_path: Path) -> None:
    make(host=server, user="postgres", is_read_only=True)
    with pytest.raises(DatabaseError, match="read-only"), connections[use("warehouse")].cursor() as cursor:
        cursor.execute("CREATE TABLE price (isbn text)")
    connections["warehouse"].close()
    file_connection(tmp_path, alias="file")
    connections[use("file")].ensure_connection()
    connections["file"].close()
    Connection.objects.filter(alias="file").update(is_read_only=True)
    forget("file")
    Connection.objects.get(alias="file").save()
    with pytest.raises(DatabaseError, match="readonly"), connections[use("file")].cursor() as cursor:
        cursor.execute("CREATE TABLE price (isbn text)")
    connections["file"].close()
