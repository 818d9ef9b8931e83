"""What a statement may be, and the values that go with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from collectors.toolkit.database import BadStatement
from collectors.toolkit.database.rows import columns_of, maker
from collectors.toolkit.database.statements import bound, checked


class Stock(NamedTuple):
    isbn: str
    pieces: int


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("select 1", "SELECT"),
        ("  -- a remark; COMMIT\n/* and another; */ Select 1;  ", "SELECT"),
        ("(SELECT 1) UNION (SELECT 2)", "SELECT"),
        ("INSERT INTO t VALUES ('a;b', \"c;d\", E'it\\'s; COMMIT')", "INSERT"),
        ("SELECT $tag$ one; two $tag$ || $$ three; $$", "SELECT"),
    ],
)
def test_one_statement_is_told_by_its_first_word(sql: str, first: str) -> None:
    assert checked(sql) == first


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("UPDATE t SET a = 1; COMMIT", "one statement at a time"),
        ("SELECT 'it''s'; DROP TABLE t", "one statement at a time"),
        ("commit", "COMMIT is not sent by hand"),
        ("/* x */ ROLLBACK", "ROLLBACK is not sent by hand"),
        ("  -- nothing\n", "no statement"),
    ],
)
def test_more_than_one_and_transactions_by_hand_are_refused(sql: str, sentence: str) -> None:
    with pytest.raises(BadStatement, match=sentence):
        checked(sql)


def test_a_query_only_reads() -> None:
    assert checked("WITH a AS (SELECT 1) SELECT * FROM a", reading=True) == "WITH"
    with pytest.raises(BadStatement, match=r"DELETE takes execute\(\), or query\(\) within a session: DELETE FROM t$"):
        checked("DELETE FROM t", reading=True)


@pytest.mark.parametrize(
    ("sql", "params", "wanted"),
    [
        ("a = %s AND b LIKE 'x%%'", [1], ("a = %s AND b LIKE 'x%%'", [1])),
        ("b LIKE 'x%' AND c = '%s'", None, ("b LIKE 'x%' AND c = '%s'", None)),
        ("a = %(id)s OR b = %(id)s", {"id": 1, "more": 2}, ("a = %s OR b = %s", [1, 1])),
    ],
)
def test_values_go_beside_the_statement(sql: str, params: Any, wanted: Any) -> None:
    assert bound(sql, params, positional=True) == wanted


def test_names_stay_where_the_driver_knows_them() -> None:
    assert bound("a = %(id)s", {"id": 1}) == ("a = %(id)s", {"id": 1})


@pytest.mark.parametrize(
    ("sql", "params", "sentence"),
    [
        ("a = %s", None, "placeholders and was given no values"),
        ("a = %s", [], "has 1 placeholders, and was given 0"),
        ("a = %s", "x", "not as a str"),
        ("a = %(id)s", [1], "names its values, and was given a list"),
        ("a = %s", {"id": 1}, "given values by name"),
        ("a = %(id)s AND b = %(other)s", {"id": 1}, "no value for other"),
        ("a LIKE 'x%' AND b = %s", [1], "a percent sign is written %%"),
    ],
)
def test_values_that_do_not_fit_are_a_sentence(sql: str, params: Any, sentence: str) -> None:
    with pytest.raises(BadStatement, match=sentence):
        bound(sql, params)


def test_rows_are_what_one_asks_for() -> None:
    names = columns_of([("isbn", None), ("pieces", None)], "SELECT")
    assert maker(names, None, "")(["1", 2]) == {"isbn": "1", "pieces": 2}
    assert maker(names, Stock, "")(["1", 2]) == Stock("1", 2)
    with pytest.raises(BadStatement, match="isbn, other do not fit"):
        maker(["isbn", "other"], Stock, "SELECT")(["1", 2])
    with pytest.raises(BadStatement, match='is "a"; name it by AS'):
        columns_of([("a",), ("a",)], "SELECT a, a")
    with pytest.raises(BadStatement, match="answers no rows"):
        columns_of(None, "SET x = 1")
