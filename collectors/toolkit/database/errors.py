"""Errors of `context.database(...)`; the message is a sentence that names the database.

StorageError                 category "database", a blocker; ends the run (collectors/toolkit/errors.py)
`-- DatabaseError
    |-- UnknownDatabase      there is no such connection, or it is not for sources
    |-- LoginRefused         wrong password, or no entry from here
    |-- ReadOnlyDatabase     something was to be written where one can only read
    |-- BadStatement         the database cannot do this: syntax, no such table, wrong parameters or values
    |-- ConstraintViolated   a key that is there already, a reference to nothing
    |-- StatementTimeout     it took longer than it may
    `-- DatabaseAway         category "platform", no fault of the source: no answer, or the connection was lost
        `-- DatabaseBusy         a deadlock, or a lock that somebody else holds: worth another try
"""

from __future__ import annotations

from collectors.toolkit.errors import StorageError


class DatabaseError(StorageError):
    """A database did not do what it was asked; nothing of the session is stored."""


class UnknownDatabase(DatabaseError):
    """There is no connection of that name for sources."""


class LoginRefused(DatabaseError):
    """The server does not let this user in."""


class ReadOnlyDatabase(DatabaseError):
    """The database can only be read."""


class BadStatement(DatabaseError):
    """The database cannot do what the statement says, or it was given wrong parameters."""


class ConstraintViolated(DatabaseError):
    """The rows would break a rule of their table."""


class StatementTimeout(DatabaseError):
    """The statement took too long and was ended."""


class DatabaseAway(DatabaseError):
    """The database does not answer."""

    category = "platform"


class DatabaseBusy(DatabaseAway):
    """Somebody else is in the way; the same may succeed a moment later."""
