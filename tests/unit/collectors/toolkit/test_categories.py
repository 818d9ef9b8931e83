"""What kind of error an exception is."""

from __future__ import annotations

import errno
import json
import socket
import sqlite3
from collections.abc import Callable

import httpx
import psycopg
import pytest
from django.db import OperationalError, ProgrammingError
from pydantic import TypeAdapter

from collectors.toolkit.categories import category_of, is_blocker
from collectors.toolkit.errors import (
    BadRow,
    Blocker,
    CaptchaFailed,
    LocalIOError,
    ParseError,
    ProxyFailed,
    RetryLater,
    SiteUnreachable,
    StorageError,
)


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class OfAnAuthor(Exception):
    category = "captcha"


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (ParseError("x"), "parse"),
        (SiteUnreachable("x", url="http://x/"), "http"),
        (ProxyFailed("x", url="http://x/"), "proxy"),
        (CaptchaFailed("x"), "captcha"),
        (LocalIOError("x"), "io"),
        (StorageError("x"), "database"),
        (BadRow("x"), "database"),
        (RetryLater("x"), "retry_later"),
        (Blocker("x"), "blocked"),
        (OfAnAuthor(), "captcha"),
        (httpx.ConnectTimeout("x"), "http"),
        (httpx.ProxyError("x"), "proxy"),
        (ConnectionResetError(), "http"),
        (TimeoutError(), "http"),
        (socket.gaierror(-2, "unknown"), "http"),
        (OSError(errno.ENOSPC, "No space left on device"), "io"),
        (PermissionError(errno.EACCES, "x"), "io"),
        (FileNotFoundError(errno.ENOENT, "x"), "unknown"),
        (ProgrammingError("no such column"), "database"),
        (sqlite3.OperationalError("no such table: x"), "database"),
        (raised(lambda: json.loads("{")), "parse"),
        (raised(lambda: TypeAdapter(int).validate_python("x")), "parse"),
        (raised(b"\xff".decode), "parse"),
        (KeyError("price"), "unknown"),
        (ValueError("x"), "unknown"),
        (caused(RuntimeError("gave up"), httpx.ReadError("x")), "http"),
        (caused(ParseError("no price"), httpx.ReadError("x")), "parse"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_error_has_a_category(error: BaseException, category: str) -> None:
    assert category_of(error) == category


@pytest.mark.parametrize(
    "error",
    [
        caused(StorageError("refused"), caused(OperationalError("x"), psycopg.errors.AdminShutdown("x"))),
        caused(OperationalError("x"), psycopg.OperationalError("connection failed")),
        psycopg.errors.DeadlockDetected("x"),
        caused(StorageError("refused"), OperationalError("database is locked")),
    ],
    ids=["shut down", "not reached", "deadlock", "locked"],
)
def test_a_database_that_is_away_is_no_fault_of_the_source(error: BaseException) -> None:
    assert (category_of(error), is_blocker(error)) == ("platform", False)


def test_a_full_disk_of_the_database_is_not_away() -> None:
    error = caused(StorageError("refused"), psycopg.errors.DiskFull("could not extend file"))
    assert (category_of(error), is_blocker(error)) == ("database", True)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Blocker("x"), True), (LocalIOError("x"), True), (StorageError("x"), True), (ParseError("x"), False)],
)
def test_blockers_are_known(error: Exception, expected: bool) -> None:
    assert is_blocker(error) == expected


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert category_of(first) == "unknown"
