"""`context.database(alias)`: statements of an author's own, on a connection."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlglot
from django.db import connections
from django.db.backends.signals import connection_created

from apps.core.clock import utc_now
from apps.databases.database import Databases
from apps.databases.loading import forget
from apps.databases.models import AppDbObject, Connection
from apps.databases.routines import call_of
from apps.records.router import data_alias
from apps.runtime.claims import open_run
from apps.runtime.ending import end_run
from apps.runtime.fencing import EpochFence
from apps.runtime.interrupts import Interrupts
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from apps.runtime.runner import execute
from collectors.contract import Context
from collectors.toolkit.categories import category_of, is_blocker
from collectors.toolkit.database import (
    BadStatement,
    ConstraintViolated,
    DatabaseAway,
    DatabaseBusy,
    DatabaseError,
    LoginRefused,
    ReadOnlyDatabase,
    StatementTimeout,
    UnknownDatabase,
)
from collectors.toolkit.errors import StorageError
from tests.integration.apps.records.tables import City, city, store
from tests.integration.factories import make_app, make_run, make_source

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("further_connections"),
]


class Stock(NamedTuple):
    isbn: str
    pieces: int


@pytest.fixture
def stock(warehouse: str) -> Iterator[str]:
    """A connection with a table of an author's own."""
    with connections[warehouse].cursor() as cursor:
        cursor.execute("CREATE TABLE stock (isbn varchar(20) PRIMARY KEY, count integer)")
    yield warehouse
    connections[warehouse].close()


def doors(**options: Any) -> Databases:
    return Databases(merge=store(dry_run=options.get("dry_run", False)).merge, **options)


def fenced(run: Runtime) -> Databases:
    fence = EpochFence(run, patience_s=0.0)
    return doors(prepare=fence.prepare, fence=fence)


def is_postgresql(alias: str) -> bool:
    return bool(connections[alias].vendor == "postgresql")


def rows(alias: str) -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT isbn, count FROM stock ORDER BY isbn")
        return list(cursor.fetchall())


def ran(main: Any, **options: Any) -> Runtime:
    """A whole run by hand of a source that does this."""
    run = open_run(make_app(), owner=identify_self(), args={}, now=utc_now(), **options)
    with Interrupts(grace_s=5) as interrupts:
        execute(run, make_source(main), args={}, interrupts=interrupts, watch=lambda _pulse: None)
    return run


# -- Statements --------------------------------------------------------------------------------------------------------


def test_statements_are_sent_and_rows_come_back(stock: str) -> None:
    database = doors()(stock)

    assert database.execute("INSERT INTO stock VALUES (%s, %s), ('100%%', 2)", ["a", 1]) == 2
    assert list(database.query("SELECT * FROM stock WHERE isbn = %(isbn)s", {"isbn": "a"})) == [
        {"isbn": "a", "count": 1}
    ]
    assert list(database.query("SELECT isbn, count AS pieces FROM stock WHERE isbn LIKE '1%'", into=Stock)) == [
        Stock("100%", 2)
    ]
    assert list(database.query("WITH a AS (SELECT 1 AS one) SELECT * FROM a")) == [{"one": 1}]


def test_a_long_answer_is_read_in_pieces_while_others_are_sent(stock: str) -> None:
    database = doors()(stock)
    with database.session():
        for number in range(50):
            database.execute("INSERT INTO stock VALUES (%s, %s)", [f"{number:02}", number])
    crossed = "SELECT a.isbn AS one, b.isbn AS other FROM stock a CROSS JOIN stock b ORDER BY 1, 2"
    seen = 0
    for row in database.query(crossed):
        seen += 1
        if seen % 1000 == 0:
            assert database.execute("UPDATE stock SET count = count + 1 WHERE isbn = %s", [row["one"]]) == 1
            assert len(list(database.query(crossed))) == 2500
    assert seen == 2500
    assert sum(count for _, count in rows(stock)) == sum(range(50)) + 2
    left = database.query(crossed)
    assert next(left)["one"] == "00"
    del left
    assert len(list(database.query(crossed))) == 2500


def test_a_session_is_all_or_nothing_and_may_hold_another(stock: str) -> None:
    database = doors()(stock)

    def twice() -> None:
        with database.session():
            database.execute("INSERT INTO stock VALUES ('b', 1)")
            database.execute("INSERT INTO stock VALUES ('a', 1)")

    def fails() -> None:
        with database.session():
            database.execute("DELETE FROM stock")
            assert list(database.query("SELECT * FROM stock")) == []
            raise ZeroDivisionError

    with database.session() as session:
        assert session is database
        database.execute("INSERT INTO stock VALUES ('a', 1)")
        with pytest.raises(ConstraintViolated, match=r'The database "warehouse": .*INSERT INTO stock'):
            twice()
    with pytest.raises(ZeroDivisionError):
        fails()
    assert rows(stock) == [("a", 1)]


def test_within_a_session_a_query_may_write(stock: str) -> None:
    database = doors()(stock)
    insert = "INSERT INTO stock VALUES ('a', 1) RETURNING isbn"
    with pytest.raises(BadStatement, match=r"query\(\) reads"):
        database.query(insert)
    with database.session():
        assert list(database.query(insert)) == [{"isbn": "a"}]
    assert rows(stock) == [("a", 1)]


def test_a_session_whose_statement_failed_stores_nothing(stock: str) -> None:
    database = fenced(make_run(make_app(), State.RUNNING, epoch=1))(stock)

    def goes_on() -> None:
        with database.session():
            database.execute("INSERT INTO stock VALUES ('a', 1)")
            with pytest.raises(ConstraintViolated):
                database.execute("INSERT INTO stock VALUES ('a', 2)")

    if is_postgresql(stock):
        with pytest.raises(BadStatement, match="An earlier statement of this session failed"):
            goes_on()
        assert rows(stock) == []
    else:
        goes_on()
        assert rows(stock) == [("a", 1)]


def test_each_thread_speaks_by_a_connection_of_its_own(stock: str) -> None:
    database, barrier, failed = doors()(stock), threading.Barrier(2), []

    def add(isbn: str) -> None:
        try:
            barrier.wait(30)
            with database.session():
                database.execute("INSERT INTO stock VALUES (%s, 1)", [isbn])
        except Exception as error:  # noqa: BLE001 - shown below
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=add, args=(isbn,)) for isbn in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(rows(stock)) == 2


def test_rows_are_merged_onto_the_connection(stock: str) -> None:
    with connections[stock].schema_editor() as editor:
        editor.create_model(City)
    database = doors()(stock)
    with database.session():
        result = database.merge(City, [city("Split")], scope={"country": "hr"})
        database.execute("INSERT INTO stock VALUES ('a', 1)")
    assert (result.seen, result.inserted) == (1, 1)
    assert City.objects.using(stock).current().count() == 1
    # A dry run works everything out.
    assert doors(dry_run=True)(stock).merge(City, [city("Pula")]).archived == 1
    assert City.objects.using(stock).current().get().name == "Split"


# -- Routines ----------------------------------------------------------------------------------------------------------


def test_routines_are_called_as_the_engine_calls_them(stock: str) -> None:
    database = doors()(stock)
    if not is_postgresql(stock):
        assert database.call("abs", -3).value == 3
        with pytest.raises(BadStatement, match="no such function"):
            database.call("unheard_of")
        return
    database.execute("CREATE FUNCTION more(x integer) RETURNS integer LANGUAGE sql RETURN x + 1")
    database.execute(
        "CREATE FUNCTION few(n integer DEFAULT 2) RETURNS SETOF integer LANGUAGE sql RETURN generate_series(1, n)"
    )
    database.execute(
        "CREATE FUNCTION ends(x integer, OUT low integer, OUT high integer) LANGUAGE sql AS 'SELECT x - 1, x + 1'"
    )
    database.execute("CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS 'SELECT 1'")
    database.execute(
        "CREATE PROCEDURE add(isbn text, OUT total bigint, n integer) LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO stock VALUES (isbn, n); SELECT count(*) INTO total FROM stock; END $$"
    )
    database.execute("CREATE SCHEMA far")
    database.execute("CREATE FUNCTION far.\"Mixed\"() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$")

    assert database.call("more", 2).value == 3
    assert [row["few"] for row in database.call("few", 3).rows] == [1, 2, 3]
    assert len(database.call("few").rows) == 2
    assert database.call("ends", 5).out == {"low": 4, "high": 6}
    assert database.call("nothing").rows == []
    assert database.call("public.add", "a", 7).out == {"total": 1}
    assert database.call("far.Mixed").value == "x"
    assert rows(stock) == [("a", 7)]
    with pytest.raises(BadStatement, match='has no routine "more" that takes no arguments'):
        database.call("more")
    with pytest.raises(BadStatement, match="is no name of a routine"):
        database.call("more(1); DROP TABLE stock")


def test_calls_for_sql_server_are_written() -> None:
    asked: list[Any] = []

    def catalogue(found: list[tuple[Any, ...]]) -> Any:
        def ask(sql: str, params: Any) -> list[tuple[Any, ...]]:
            asked.append((sql, params))
            return found

        return ask

    procedure = [
        ("dbo", "refresh", "P", "@day", False, "date", 3, 10, 0),
        ("dbo", "refresh", "P", "@rows", True, "int", 4, 10, 0),
        ("dbo", "refresh", "P", "@said", True, "nvarchar", 200, 0, 0),
    ]
    found = call_of("microsoft", "far", "refresh", ["2030-01-01"], catalogue(procedure))
    assert found.sql == (
        "SET NOCOUNT ON; DECLARE @dc_returned int, @dc_out0 int, @dc_out1 nvarchar(100); "
        "EXEC @dc_returned = [dbo].[refresh] @day = %s, @rows = @dc_out0 OUTPUT, @said = @dc_out1 OUTPUT; "
        "SELECT @dc_returned AS return_value, @dc_out0 AS [rows], @dc_out1 AS [said]"
    )
    assert found.out_is_last
    scalar = call_of("microsoft", "far", "dbo.more", [1], catalogue([("dbo", "more", "FN", *[None] * 6)]))
    assert scalar.sql == "SELECT [dbo].[more](%s) AS value"
    table = call_of("microsoft", "far", "few", [], catalogue([("dbo", "few", "IF", *[None] * 6)]))
    assert table.sql == "SELECT * FROM [dbo].[few]()"
    for sql in (asked[0][0], scalar.sql, table.sql):
        assert sqlglot.parse(sql.replace("%s", "1"), read="tsql")
    with pytest.raises(BadStatement, match='has no routine "nothing"'):
        call_of("microsoft", "far", "nothing", [], catalogue([]))


# -- What is refused ---------------------------------------------------------------------------------------------------


def test_the_platforms_own_tables_are_not_for_sources(stock: str) -> None:
    with pytest.raises(UnknownDatabase, match=r"platform\'s own tables.* There are: .*warehouse"):
        doors()("default")
    default = connections["default"].settings_dict
    engine = "postgresql" if is_postgresql("default") else "sqlite"
    Connection.objects.create(
        alias="same", engine=engine, name=default["NAME"], host=default["HOST"], user=default["USER"],
        port=int(default["PORT"]) if default["PORT"] else None, password=default["PASSWORD"],
    )  # fmt: skip
    with pytest.raises(UnknownDatabase, match=r'"same" is the platform\'s own database'):
        doors()("same")
    if data_alias() == "data":
        assert doors()("data").alias == "data"
    else:
        with pytest.raises(UnknownDatabase, match="live in the platform's own database here"):
            doors()("data")


def test_a_connection_that_is_not_there_is_named_with_those_that_are(stock: str) -> None:
    with pytest.raises(UnknownDatabase, match=r'Connection "other" does not exist. There are: warehouse\.'):
        doors()("other")
    Connection.objects.filter(alias=stock).update(is_enabled=False)
    forget(stock)
    with pytest.raises(UnknownDatabase, match='"warehouse" is disabled'):
        doors()(stock)


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT * FROM nowhere", "SELECT nothing FROM stock"])
def test_what_the_database_does_not_understand_is_a_sentence(stock: str, sql: str) -> None:
    for send in (doors()(stock).query, doors()(stock).execute):
        with pytest.raises(BadStatement, match=r'"warehouse"|SELEC takes') as error:
            send(sql)
        assert "\n" not in str(error.value)
        assert is_blocker(error.value)


def test_transactions_and_several_statements_are_refused_before_they_are_sent(stock: str) -> None:
    database = doors()(stock)
    for sql in ("COMMIT", "DELETE FROM stock; COMMIT"):
        with pytest.raises(BadStatement):
            database.execute(sql)


def test_a_read_only_connection_is_read(stock: str, another_database: dict[str, Any]) -> None:
    doors()(stock).execute("INSERT INTO stock VALUES ('a', 1)")
    Connection.objects.create(alias="reader", is_read_only=True, **another_database)
    database = doors()("reader")
    assert len(list(database.query("SELECT * FROM stock"))) == 1
    with pytest.raises(ReadOnlyDatabase):
        database.execute("DELETE FROM stock")
    connections["reader"].close()


def test_nobody_there_and_a_wrong_password_are_sentences(stock: str, tmp_path: Path) -> None:
    Connection.objects.create(alias="gone", engine="postgresql", host="127.0.0.1", port=9, name="x")
    with pytest.raises(DatabaseAway, match=r'"gone": Nobody answers at 127.0.0.1:9\.') as away:
        doors()("gone").execute("DELETE FROM stock")
    assert category_of(away.value) == "platform"
    assert not is_blocker(away.value)
    Connection.objects.create(alias="nofile", engine="sqlite", name=str(tmp_path / "none" / "x.sqlite3"))
    with pytest.raises(DatabaseError, match="There is no folder"):
        doors()("nofile").query("SELECT 1 AS one")
    from django.db import OperationalError

    from apps.databases.explaining import tell

    refused = tell("gone", OperationalError('connection failed: FATAL:  password authentication failed for user "x"'))
    assert isinstance(refused, LoginRefused)
    assert "refuses user" in str(refused)
    assert is_blocker(refused)


def test_a_statement_that_takes_too_long_is_ended(stock: str) -> None:
    long = "SELECT pg_sleep(60)::text AS x"
    if not is_postgresql(stock):
        long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS x FROM n"
    run = doors()
    database = run(stock, timeout_s=0.2)
    with pytest.raises(StatementTimeout, match=r'"warehouse": a statement took longer than 0\.2 s'):
        list(database.query(long))
    with pytest.raises(StatementTimeout):
        database.execute(long)
    assert list(run(stock).query("SELECT 1 AS one")) == [{"one": 1}]
    # What runs when the run ends does not go on in its thread.
    ended: list[Exception] = []
    begun = threading.Event()

    def tell(execute: Any, *args: Any) -> Any:
        begun.set()
        return execute(*args)

    def ask() -> None:
        try:
            with connections[stock].execute_wrapper(tell):
                list(run(stock).query(long))
        except DatabaseError as error:
            ended.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(30)
    while thread.is_alive():
        run.close()
        thread.join(0.1)
    assert len(ended) == 1
    with pytest.raises(DatabaseError, match="the run has ended"):
        run(stock).query("SELECT 1 AS one")


def test_somebody_elses_lock_is_worth_another_try(stock: str) -> None:
    if not is_postgresql(stock):
        return
    one, other = doors()(stock), doors()(stock)
    one.execute("INSERT INTO stock VALUES ('a', 1), ('b', 1)")
    held, failed = threading.Barrier(2), []

    def cross(first: str, second: str) -> None:
        try:
            with other.session():
                other.execute("UPDATE stock SET count = 2 WHERE isbn = %s", [first])
                held.wait(30)
                other.execute("UPDATE stock SET count = 2 WHERE isbn = %s", [second])
        except DatabaseBusy as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=cross, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 1
    assert category_of(failed[0]) == "platform"


# -- In a run ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_leaves_nothing(stock: str) -> None:
    def main(context: Context) -> None:
        database = context.database(stock)
        assert database.execute("INSERT INTO stock VALUES ('a', 1)") == 1
        with database.session():
            database.execute("INSERT INTO stock VALUES ('b', 1)")
            assert len(list(database.query("SELECT * FROM stock"))) == 1

    run = ran(main, is_dry_run=True)
    assert (run.state, run.cause) == (State.SUCCEEDED, "")
    assert rows(stock) == []
    assert "dc_fence" not in connections[stock].introspection.table_names()


def test_a_run_is_told_what_it_touched_and_leaves_no_connection(stock: str) -> None:
    made: list[Any] = []

    def note(connection: Any, **_: Any) -> None:
        made.append(connection)

    def main(context: Context) -> None:
        database = context.database(stock)
        database.execute("INSERT INTO stock VALUES ('a', 1)")
        thread = threading.Thread(target=lambda: list(database.query("SELECT count FROM stock")))
        thread.start()
        thread.join()
        database.call("abs" if not is_postgresql(stock) else "more", 1)

    with connections[stock].cursor() as cursor:
        if is_postgresql(stock):
            cursor.execute("CREATE FUNCTION more(x integer) RETURNS integer LANGUAGE sql RETURN x + 1")
    connections[stock].close()
    connection_created.connect(note)
    try:
        run = ran(main)
    finally:
        connection_created.disconnect(note)
    assert (run.state, run.cause) == (State.SUCCEEDED, "")
    touched = {(row.name, row.kind) for row in AppDbObject.objects.filter(connection=stock)}
    assert touched == {("stock", "table")} | ({("more", "routine")} if is_postgresql(stock) else set())
    table = AppDbObject.objects.get(connection=stock, name="stock")
    assert table.insert_at
    assert table.select_at
    ours = [connection for connection in made if connection.alias == stock]
    assert len(ours) == 2
    assert all(connection.connection is None for connection in ours)


def test_a_run_that_was_given_up_commits_no_session(stock: str) -> None:
    old = make_run(make_app(), State.RUNNING, epoch=1)
    database = fenced(old)(stock)
    database.execute("INSERT INTO stock VALUES ('a', 1)")

    def too_late() -> None:
        with database.session():
            database.execute("INSERT INTO stock VALUES ('c', 1)")
            assert end_run(old, State.CRASHED, now=utc_now(), cause="Nobody answers for it.")

    with pytest.raises(StorageError, match="given up while it was working"):
        too_late()
    new = fenced(make_run(old.app, State.RUNNING, epoch=2))(stock)
    new.execute("INSERT INTO stock VALUES ('b', 1)")
    with pytest.raises(StorageError, match="A later run of the app has stored its own"):
        database.execute("DELETE FROM stock")
    assert [isbn for isbn, _ in rows(stock)] == ["a", "b"]


def test_sessions_of_an_app_are_committed_one_after_the_other(stock: str) -> None:
    """The row of `dc_fence` is held: whoever was proved live and is given up before its COMMIT comes first."""
    if not is_postgresql(stock):
        return  # SQLite has one that writes
    old, proved, go, order = make_run(make_app(), State.RUNNING, epoch=1), threading.Event(), threading.Event(), []
    fence = EpochFence(old)

    def paused(alias: str, tables: Any) -> None:
        fence(alias, tables)
        proved.set()
        assert go.wait(30)

    def work(run: Databases, isbn: str) -> None:
        try:
            run(stock).execute("INSERT INTO stock VALUES (%s, 1)", [isbn])
            order.append(isbn)
        finally:
            connections.close_all()

    fence.prepare(stock)
    stale = threading.Thread(target=work, args=(doors(prepare=fence.prepare, fence=paused), "stale"))
    stale.start()
    assert proved.wait(30)
    assert end_run(old, State.CRASHED, now=utc_now(), cause="Nobody answers for it.")
    successor = threading.Thread(target=work, args=(fenced(make_run(old.app, State.RUNNING, epoch=2)), "successor"))
    successor.start()
    watcher = doors()(stock)
    while not list(watcher.query("SELECT 1 AS one FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")):
        assert successor.is_alive()
    go.set()
    stale.join()
    successor.join()
    assert order == ["stale", "successor"]


def test_a_stop_ends_the_statement_that_is_waited_for(stock: str) -> None:
    if not is_postgresql(stock):
        return

    def main(context: Context) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        context.database(stock).execute("SELECT pg_sleep(600)")

    run = ran(main)
    assert run.state == State.STOPPED
