"""What is read out of SQL statements, in three dialects."""

from __future__ import annotations

import pytest

from apps.databases.shapes import shape_of, temporary_table
from apps.databases.statements import read_statement


def touches(sql: str, vendor: str = "postgresql") -> set[str]:
    return {f"{touch.operation} {touch.name}" for touch in read_statement(shape_of(sql), vendor).touches}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('SELECT "a"."x" FROM "a" INNER JOIN s.b ON a.id = b.id WHERE "x" = %s', {"select a", "select s.b"}),
        ("SELECT 1 FROM Prices p, stock", {"select prices", "select stock"}),
        ('SELECT * FROM "Prices"', {"select Prices"}),
        ("INSERT INTO a (x) VALUES (%s), (%s)", {"insert a"}),
        ("INSERT INTO a (x) SELECT y FROM b WHERE z IN (SELECT z FROM c)", {"insert a", "select b", "select c"}),
        (
            'INSERT INTO "a" ("x") VALUES (%s) ON CONFLICT ("x") DO UPDATE SET "y" = EXCLUDED."y"',
            {"insert a", "update a"},
        ),
        ("INSERT INTO a (x) VALUES (%s) ON CONFLICT DO NOTHING RETURNING id", {"insert a"}),
        ("UPDATE a SET x = %(x)s FROM b WHERE a.id = b.id", {"update a", "select b"}),
        ("DELETE FROM a WHERE id IN (SELECT id FROM b)", {"delete a", "select b"}),
        ("WITH gone AS (DELETE FROM a RETURNING id) SELECT * FROM gone", {"delete a"}),
        ("WITH a AS (SELECT * FROM b) SELECT * FROM a JOIN s.a AS other ON true", {"select b", "select s.a"}),
        ("TRUNCATE a, b", {"delete a", "delete b"}),
        ("CALL warehouse.refresh(%s, 'x')", {"call warehouse.refresh"}),
        ("SELECT price_of(%s), lower(name) FROM a", {"call price_of", "select a"}),
        ("SELECT s.price_of(1)", {"call s.price_of"}),
        ("SELECT * FROM generate_series(1, 10)", set()),
        ("SAVEPOINT x", set()),
        ('COPY "a" ("x") FROM STDIN (FORMAT BINARY)', {"insert a"}),
        ("COPY a TO STDOUT", {"select a"}),
        ("LOCK TABLE a IN SHARE ROW EXCLUSIVE MODE", set()),
        ("CREATE TABLE a AS SELECT * FROM b", set()),
        ("SELECT * FROM a WHERE x = 'FROM b'", {"select a"}),
        ("", set()),
        ("SELEC nothing FROM", set()),
        ("(" * 3000, set()),
    ],
)
def test_postgresql(sql: str, expected: set[str]) -> None:
    assert touches(sql) == expected


def test_sqlite() -> None:
    assert touches('INSERT OR REPLACE INTO "a" ("x") VALUES (%s)', "sqlite") == {"insert a"}
    assert touches("SELECT * FROM Prices WHERE x = 'it''s'", "sqlite") == {"select Prices"}


def test_sql_server() -> None:
    assert touches("SELECT TOP 5 [x] FROM [dbo].[a]", "microsoft") == {"select dbo.a"}
    assert touches("EXEC [dbo].[refresh] %s", "microsoft") == {"call dbo.refresh"}
    merge = (
        "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET x = b.x "
        "WHEN NOT MATCHED THEN INSERT (x) VALUES (b.x);"
    )
    assert touches(merge, "microsoft") == {"insert a", "update a", "select b"}


def test_tables_that_nobody_else_sees_are_told_apart() -> None:
    assert read_statement("CREATE TEMP TABLE staged (x text)", "postgresql").temporary == {"staged"}
    assert read_statement("CREATE TABLE kept (x text)", "postgresql").temporary == frozenset()


def test_statements_of_one_kind_have_one_shape() -> None:
    found = "SELECT * FROM a WHERE x = {} AND y = {}"
    assert shape_of(found.format("'it''s'", 17)) == shape_of(found.format("''", 4.5))
    assert shape_of("SELECT col1 FROM t2") == "SELECT col1 FROM t2"
    assert shape_of("SELECT x FROM a WHERE y IN (%s, %s, %s)") == shape_of("SELECT x FROM a WHERE y IN (1, 2)")
    rows = "INSERT INTO a (x, y) VALUES {}"
    assert shape_of(rows.format("(%s, 'x')")) == shape_of(rows.format("(1, 'z'), (2, NULL), (%s, %s)"))


def test_no_value_is_in_a_shape() -> None:
    assert "secret" not in shape_of("UPDATE a SET x = 'my ''secret''', y = 'a secret'")


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("CREATE TEMP TABLE x (y text)", "x"),
        (' create unlogged TEMPORARY table if not exists "x" (y text)', "x"),
        ("CREATE TABLE #x (y int)", "#x"),
        ("CREATE TABLE x (y int)", ""),
    ],
)
def test_tables_for_this_run_alone_are_told_by_their_statement(sql: str, name: str) -> None:
    assert temporary_table(sql) == name
