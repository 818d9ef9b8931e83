"""What a server said, out of what ODBC makes of it."""

from __future__ import annotations

import pytest

from apps.databases.engines.sqlserver.errors import plain


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "('42000', '[42000] [FreeTDS][SQL Server]Login failed for user [x]. (18456) (SQLDriverConnect)')",
            "Login failed for user [x]. (18456)",
        ),
        (
            "('42S02', \"[42S02] [Microsoft][ODBC Driver 18][SQL Server]Invalid object 'a'. (208) (SQLX)\")",
            "Invalid object 'a'. (208)",
        ),
        (
            "('01000', \"[01000] [unixODBC][Driver Manager]Can't open lib 'Nope' : file not found (0) (SQLDriver)\")",
            "Can't open lib 'Nope' : file not found (0)",
        ),
        ('There is no host "db".\nand more', 'There is no host "db".'),
        ("(an odd one)", "(an odd one)"),
        ("", ""),
    ],
)
def test_only_the_words_of_the_server_are_left(said: str, words: str) -> None:
    assert plain(said) == words
