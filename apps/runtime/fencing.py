"""A run that was given up writes nothing: its epoch is proved in the transaction that commits its rows."""

from __future__ import annotations

from django.db import connections

from apps.runtime.models import LIVE, Runtime
from collectors.toolkit.errors import StorageError


class EpochFence:
    """The last statement before the COMMIT of a merge.

    The row of the run is read and held, so that nobody can give the run up between the proof and the COMMIT. Held at
    the end alone, it keeps nobody waiting: a heartbeat writes to the same row.
    """

    def __init__(self, run: Runtime) -> None:
        self._run_id, self._epoch = run.pk, run.epoch

    def __call__(self, alias: str) -> None:
        """Raise `StorageError` when the run has ended or its app has a newer epoch."""
        if not shares_platform_database(alias):
            return
        connection = connections[alias]
        live = [str(state) for state in LIVE]
        statement = (
            f"SELECT 1 FROM {connection.ops.quote_name(Runtime._meta.db_table)} "  # noqa: S608 - a table of ours
            f"WHERE id = %s AND epoch = %s AND state IN ({', '.join(['%s'] * len(live))})"
        )
        if connection.vendor == "postgresql":
            statement += " FOR SHARE"
        with connection.cursor() as cursor:
            cursor.execute(statement, [self._run_id, self._epoch, *live])
            if cursor.fetchone() is None:
                raise StorageError("The run was given up while it was working, so none of its rows were stored.")


def shares_platform_database(alias: str) -> bool:
    """Whether this connection leads to the database in which the runs are."""
    one, other = connections[alias].settings_dict, connections["default"].settings_dict
    return all(one[name] == other[name] for name in ("ENGINE", "NAME", "HOST", "PORT"))
