"""What surrounds a batch on its way into the database."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from django.db import DatabaseError, InterfaceError, OperationalError, connection


@contextlib.contextmanager
def reconnecting() -> Iterator[None]:
    """A connection that broke is let go, so that the next try finds the database that has come back."""
    try:
        yield
    except InterfaceError as error:
        connection.close_if_unusable_or_obsolete()
        raise OperationalError(str(error)) from error
    except DatabaseError:
        connection.close_if_unusable_or_obsolete()
        raise


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """Python's cycle collector waits: a batch makes a hundred thousand objects and not one cycle, and looking for
    cycles among them took a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
