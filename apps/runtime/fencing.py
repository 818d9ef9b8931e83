"""A run that was given up writes nothing: its epoch is proved in the transaction that commits its rows."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.databases.fence_table import CREATE, hold, is_the_platforms, make_fence
from apps.runtime.models import LIVE, Runtime
from apps.runtime.shipping import reconnecting
from collectors.toolkit.errors import StorageError

#: For so long the platform's database is asked, when it does not answer: a restart takes less.
PATIENCE_S, PAUSE_S = 15.0, 0.5

GIVEN_UP = "The run was given up while it was working, so none of its rows were stored."


class EpochFence:
    """The last statements before the COMMIT of a merge.

    In the platform's database the row of the run is read and held, so that nobody can give the run up between the proof
    and the COMMIT. Held at the end alone, it keeps nobody waiting: a heartbeat writes to the same row.

    Elsewhere the rows of `dc_fence` are held there, and then the row of the run is read in the platform's database.
    """

    def __init__(self, run: Runtime, *, patience_s: float = PATIENCE_S) -> None:
        self._run_id, self._epoch, self._app = run.pk, run.epoch, run.app.code
        self._patience_s = patience_s
        self._prepared: set[str] = set()

    def prepare(self, alias: str) -> None:
        """Make `dc_fence` on this connection if it is needed there and missing. Call it outside of a transaction."""
        if alias in self._prepared or is_the_platforms(alias):
            return
        try:
            make_fence(alias)
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise StorageError(
                f'The table dc_fence cannot be made in the database "{alias}": {reason}. Without it no run may write '
                f"there; have it made once, by somebody who may: {CREATE}"
            ) from error
        self._prepared.add(alias)

    def __call__(self, alias: str, tables: Sequence[str]) -> None:
        """Raise `StorageError` when the run has ended or its app has a newer epoch."""
        if is_the_platforms(alias):
            if not self._is_live(connections[alias], share=True):
                raise StorageError(GIVEN_UP)
            return
        is_latest = hold(connections[alias], self._app, tables, self._epoch)
        # Not the latest, and yet live: a run beside others of its app, or one of a platform that was restored.
        if not self._ask_the_platform():
            raise StorageError(GIVEN_UP if is_latest else f"{GIVEN_UP} A later run of the app has stored its own.")

    def _ask_the_platform(self) -> bool:
        until = time.monotonic() + self._patience_s
        while True:
            try:
                with reconnecting():
                    return self._is_live(connections["default"], share=False)
            except DatabaseError as error:
                if time.monotonic() > until or connections["default"].in_atomic_block:
                    raise StorageError(
                        "The platform's database did not answer, so nobody could say whether the run was still wanted; "
                        "none of its rows were stored."
                    ) from error
            time.sleep(PAUSE_S)

    def _is_live(self, connection: BaseDatabaseWrapper, *, share: bool) -> bool:
        live = [str(state) for state in LIVE]
        statement = (
            f"SELECT 1 FROM {connection.ops.quote_name(Runtime._meta.db_table)} "  # noqa: S608 - a table of ours
            f"WHERE id = %s AND epoch = %s AND state IN ({', '.join(['%s'] * len(live))})"
        )
        if share and connection.vendor == "postgresql":
            statement += " FOR SHARE"
        with connection.cursor() as cursor:
            cursor.execute(statement, [self._run_id, self._epoch, *live])
            return cursor.fetchone() is not None
