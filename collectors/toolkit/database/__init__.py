"""What a source meets at `context.database(...)`."""

from collectors.toolkit.database.errors import (
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

__all__ = [
    "BadStatement",
    "ConstraintViolated",
    "DatabaseAway",
    "DatabaseBusy",
    "DatabaseError",
    "LoginRefused",
    "ReadOnlyDatabase",
    "StatementTimeout",
    "UnknownDatabase",
]
