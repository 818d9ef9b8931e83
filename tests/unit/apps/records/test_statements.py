"""The SQL of a merge for each engine, compiled without one.

SQL Server is checked here alone: its statements are compared with what they have to be, word for word. On the other two
the merge itself runs (tests/integration/apps/records).
"""

# ruff: noqa: S608, ISC004 - the SQL is what is compared, and long texts are in pieces

from __future__ import annotations

from typing import Any

import pytest
import sqlglot

from apps.records.backends import backend_class, is_worth_another_try
from apps.records.backends.sqlite import SQLiteStatements
from apps.records.backends.sqlserver import SQLServerBackend, SQLServerStatements
from apps.records.statements import Column, Layout, Statements
from collectors.toolkit.errors import StorageError

LAYOUT = Layout(table="shop_book", pk="id", keys=[Column("isbn"), Column("shop", is_nullable=True)], scope=["country"])


def bracketed(name: str) -> str:
    return f"[{name}]"


def quoted(name: str) -> str:
    return f'"{name}"'


SERVER = SQLServerStatements(LAYOUT, bracketed)
NOTHING = "FROM (SELECT 1 AS one) o LEFT JOIN [shop_book] t ON 1 = 0 WHERE 1 = 0"
SAME_TS = "t.[isbn] = s.[isbn] AND (t.[shop] = s.[shop] OR (t.[shop] IS NULL AND s.[shop] IS NULL)) AND t.sha = s.sha"
SAME_TN = "t.[isbn] = n.[isbn] AND (t.[shop] = n.[shop] OR (t.[shop] IS NULL AND n.[shop] IS NULL))"
SAME_NG = "n.[isbn] = g.[isbn] AND (n.[shop] = g.[shop] OR (n.[shop] IS NULL AND g.[shop] IS NULL))"
SUCCESSOR = f"EXISTS (SELECT 1 FROM [#dc_diff] n WHERE n.dc_ord IS NOT NULL AND {SAME_NG})"


@pytest.mark.parametrize(
    ("compiled", "expected"),
    [
        (
            SERVER.create()[0],
            "SELECT CAST(NULL AS bigint) AS dc_ord, t.[isbn], t.[shop], t.sha INTO [#dc_stage] "
            f"{NOTHING} UNION ALL "
            f"SELECT CAST(NULL AS bigint) AS dc_ord, t.[isbn], t.[shop], t.sha {NOTHING}",
        ),
        (SERVER.drop()[1], "DROP TABLE IF EXISTS [#dc_stage]"),
        (SERVER.fill(), "INSERT INTO [#dc_stage] VALUES (%s, %s, %s, %s)"),
        (
            SERVER.lock(),
            "SET NOCOUNT ON; DECLARE @granted int; "
            "EXEC @granted = sp_getapplock @Resource = %s, @LockMode = 'Exclusive', "
            "@LockOwner = 'Transaction', @LockTimeout = 600000; SELECT @granted",
        ),
        (
            SERVER.compare_all()[0],
            "INSERT INTO [#dc_diff] SELECT s.dc_ord, CASE WHEN s.dc_ord IS NULL THEN t.[isbn] ELSE s.[isbn] END, "
            "CASE WHEN s.dc_ord IS NULL THEN t.[shop] ELSE s.[shop] END, s.sha, t.[id] FROM [#dc_stage] s "
            "FULL JOIN "
            "(SELECT [id], [isbn], [shop], sha FROM [shop_book] WHERE archived_at IS NULL AND [country] = %s) "
            f"t ON {SAME_TS} WHERE s.dc_ord IS NULL OR t.[id] IS NULL",
        ),
        (
            SERVER.compare_incoming()[1],
            "INSERT INTO [#dc_diff] ([isbn], [shop], dc_pk) SELECT t.[isbn], t.[shop], t.[id] FROM [shop_book] t "
            "WHERE t.archived_at IS NULL "
            f"AND t.[country] = %s AND NOT EXISTS (SELECT 1 FROM [#dc_stage] s WHERE {SAME_TS}) "
            f"AND EXISTS (SELECT 1 FROM [#dc_diff] n WHERE n.dc_ord IS NOT NULL AND {SAME_TN})",
        ),
        (
            SERVER.count_diff(),
            "SELECT sum(CASE WHEN dc_ord IS NULL THEN 0 ELSE 1 END), sum(CASE WHEN dc_pk IS NULL THEN 0 ELSE 1 END) "
            "FROM [#dc_diff]",
        ),
        (
            SERVER.conflicting_keys(5),
            "SELECT TOP 5 d.[isbn], d.[shop] FROM [#dc_diff] d WHERE d.dc_ord IS NOT NULL "
            "GROUP BY d.[isbn], d.[shop] HAVING min(d.sha) <> max(d.sha)",
        ),
        (
            SERVER.archive(),
            "UPDATE [shop_book] SET archived_at = %s, archived_by = %s, modified_at = %s "
            "WHERE [id] IN (SELECT dc_pk FROM [#dc_diff] WHERE dc_pk IS NOT NULL)",
        ),
        (
            SERVER.delete_missing(),
            "DELETE FROM [shop_book] WHERE [id] IN "
            f"(SELECT g.dc_pk FROM [#dc_diff] g WHERE g.dc_pk IS NOT NULL AND NOT ({SUCCESSOR}))",
        ),
        (
            SERVER.missing(7),
            f"SELECT TOP 7 g.dc_pk FROM [#dc_diff] g WHERE g.dc_pk IS NOT NULL AND NOT ({SUCCESSOR}) ORDER BY g.dc_pk",
        ),
        (SERVER.insert(["isbn", "sha"]), "INSERT INTO [shop_book] ([isbn], [sha]) VALUES (%s, %s)"),
    ],
)
def test_the_statements_of_sql_server(compiled: str, expected: str) -> None:
    assert compiled == expected


def every_statement(sql: Statements) -> list[str]:
    texts = [*sql.create(), *sql.drop(), *sql.compare_all(), *sql.compare_incoming()]
    plain = ("count_current", "count_matched", "count_diff", "count_new", "count_changed", "new_ordinals", "archive",
             "delete_missing", "fill", "key_columns")  # fmt: skip
    texts += [getattr(sql, name)() for name in plain]
    return texts + [getattr(sql, name)(5) for name in ("conflicting_keys", "obstacles", "new_and_changed", "missing")]


@pytest.mark.parametrize("dialect", [Statements, SQLiteStatements, SQLServerStatements])
def test_no_statement_compares_by_not_in(dialect: type[Statements]) -> None:
    statements = every_statement(dialect(LAYOUT, quoted))

    assert len(statements) > 20
    assert [text for text in statements if "NOT IN" in text.upper()] == []


@pytest.mark.parametrize("text", [*every_statement(SERVER), SERVER.lock()], ids=lambda text: text[:40])
def test_a_parser_of_transact_sql_takes_every_statement(text: str) -> None:
    [*parsed] = sqlglot.parse(text.replace("%s", "@p1"), read="tsql", error_level=sqlglot.ErrorLevel.RAISE)

    assert parsed
    assert all(statement is not None for statement in parsed)


def test_sql_server_gets_nothing_that_it_does_not_know() -> None:
    foreign = ("LIMIT", "::", " IS s.", "ON COMMIT", "TEMPORARY", "WITH NO DATA", "COALESCE")

    assert [(text, word) for text in every_statement(SERVER) for word in foreign if word in text] == []


def test_keys_that_may_be_null_are_matched_by_hashable_equalities_on_postgresql() -> None:
    [compared] = Statements(LAYOUT, quoted).compare_all()

    assert "COALESCE(t.\"shop\"::text, '') = COALESCE(s.\"shop\"::text, '')" in compared
    assert '(t."shop" IS NULL) = (s."shop" IS NULL)' in compared


@pytest.mark.parametrize(
    ("error", "again"),
    [
        ("('40001', '[40001] Transaction was deadlocked (1205) (SQLExecDirectW)')", True),
        ("('HYT00', 'Lock request time out period exceeded. (1222)')", True),
        ("('23000', 'Violation of UNIQUE KEY constraint. (2627)')", True),
        ("('42S02', 'Invalid object name. (208)')", False),
        ("('22001', 'String or binary data would be truncated. (8152)')", False),
    ],
)
def test_what_sql_server_may_be_asked_again(error: str, again: bool) -> None:
    from django.db import DatabaseError

    assert SQLServerBackend.is_worth_another_try(DatabaseError(error)) is again
    assert not SQLServerBackend.is_worth_another_try(ValueError(error))


def test_every_engine_has_its_backend_and_another_one_is_refused() -> None:
    class Connection:
        vendor = "oracle"

    found: dict[str, Any] = {vendor: backend_class(vendor) for vendor in ("postgresql", "sqlite", "microsoft")}
    assert len(set(found.values())) == 3
    assert found["microsoft"] is SQLServerBackend
    with pytest.raises(StorageError, match="cannot be merged on oracle"):
        backend_class("oracle")
    assert not is_worth_another_try(Connection(), ValueError())
