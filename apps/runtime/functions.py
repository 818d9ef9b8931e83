"""Frames of kind `function` into rows: the increments of a run's processes add up, in any order.

Registering a function also locks its row, and its rows in runs change under that lock alone: journals of one run, and
runs of one app, wait for each other there. The rows are taken in the order of their identities in a single statement,
so nobody waits in a circle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from apps.registry.models import App
from apps.runtime.function_frames import COUNTS, MOST, Sum, least, most, plus, sum_up
from apps.runtime.function_models import AppFunction, FunctionLog, Totals
from collectors.toolkit.profiling import Sketch

NS_PER_MS = 1_000_000


def store_function_frames(run_id: str, app_id: int, frames: Sequence[Mapping[str, Any]]) -> None:
    """Add what the frames of a run say to its rows, in the caller's transaction; each frame must be handed in once.

    A frame that makes no sense is logged and left out. Raises `DatabaseError`.
    """
    sums = sum_up(frames)
    if not sums:
        return
    identity = App.objects.filter(pk=app_id, runtimes=run_id).values_list("identity", flat=True).first()
    if identity is None:
        return  # the run was deleted, and what is known about it with it
    functions = _register(app_id, identity, sums)
    new = _add_to_run(run_id, sums, functions)
    _add_to_functions(sums, functions, new)


def function_identity(app_identity: str, module: str, qualname: str) -> str:
    """SHA3-256 of the app's identity and the qualified name: 64 hex digits."""
    return hashlib.sha3_256(f"{app_identity}|{module}.{qualname}".encode()).hexdigest()


def _register(app_id: int, app_identity: str, sums: Sequence[Sum]) -> dict[tuple[str, str], AppFunction]:
    """The rows of these functions and of their callers, locked; made where they are missing."""
    seen = {caller.key: (caller, total) for total in sums for caller in total.callers if caller is not None}
    seen |= {total.name.key: (total.name, total) for total in sums}
    made = [
        AppFunction(
            app_id=app_id,
            identity=function_identity(app_identity, *key),
            qualified_name=name.qualname[:400],
            module=name.module[:400],
            file=name.file[-400:],
            first_seen_at=_moment(total.first_start),
            last_seen_at=_moment(total.last_end or total.first_start),
        )
        for key, (name, total) in seen.items()
    ]
    made.sort(key=lambda function: function.identity)
    AppFunction.objects.bulk_create(made, update_conflicts=True, unique_fields=["identity"], update_fields=["file"])
    stored = AppFunction.objects.in_bulk([function.identity for function in made], field_name="identity")
    return {key: stored[function_identity(app_identity, *key)] for key in seen}


def _add_to_run(
    run_id: str, sums: Sequence[Sum], functions: Mapping[tuple[str, str], AppFunction]
) -> set[tuple[str, str]]:
    """Add to the rows of the run. The functions that are new in it come back."""
    ids = {name: function.pk for name, function in functions.items()}
    rows = {
        row.function_id: row
        for row in FunctionLog.objects.filter(runtime=run_id, function__in=[ids[total.name.key] for total in sums])
    }
    new = {total.name.key for total in sums if ids[total.name.key] not in rows}
    for total in sums:
        function_id, start = ids[total.name.key], _moment(total.first_start)
        row = rows.setdefault(
            function_id, FunctionLog(function_id=function_id, runtime_id=run_id, first_start_at=start)
        )
        _add(row, total)
        row.first_start_at = min(row.first_start_at, start)
        if total.last_end is not None:
            row.last_end_at = max(filter(None, (row.last_end_at, _moment(total.last_end))))
        for caller, (calls, total_ns) in total.callers.items():
            key = str(ids[caller.key]) if caller is not None else ""
            before = row.callers.get(key, (0, 0.0))
            row.callers[key] = [before[0] + calls, before[1] + total_ns / NS_PER_MS]
        row.parent_id = _main_caller(row)
    _write(FunctionLog, rows.values(), ["runtime", "function"])
    return new


def _main_caller(row: FunctionLog) -> int | None:
    others = {key: spent for key, (_calls, spent) in row.callers.items() if key != str(row.function_id)}
    main = max(others, key=lambda key: others[key], default="")
    return int(main) if main else None


def _add_to_functions(
    sums: Sequence[Sum], functions: Mapping[tuple[str, str], AppFunction], new: set[tuple[str, str]]
) -> None:
    for total in sums:
        function = functions[total.name.key]
        _add(function, total)
        function.first_seen_at = min(function.first_seen_at, _moment(total.first_start))
        function.last_seen_at = max(function.last_seen_at, _moment(total.last_end or total.first_start))
        function.run_count += total.name.key in new
    rows: list[AppFunction] = [functions[total.name.key] for total in sums]
    rows.sort(key=lambda function: function.identity)
    _write(AppFunction, rows, ["identity"])


def _add(row: Totals, total: Sum) -> None:
    """Everything that adds up, and what follows from it."""
    for name in COUNTS:
        setattr(row, name, min(MOST, getattr(row, name) + total.counts[name]))
    row.task_size = plus(row.task_size, total.task_size)
    row.has_failed = row.errors > 0
    row.last_error = total.last_error or row.last_error
    row.total_ms += total.total_ns / NS_PER_MS
    row.mean_ms = row.total_ms / row.calls if row.calls else None
    row.min_ms, row.max_ms = least(row.min_ms, _ms(total.min_ns)), most(row.max_ms, _ms(total.max_ns))
    sketch = Sketch.from_json(row.sketch)
    sketch.merge(total.sketch)
    row.sketch = sketch.as_json()
    row.p50_ms, row.p95_ms = (_within(row, _ms(sketch.quantile(q))) for q in (0.5, 0.95))


def _write(model: type[Totals], rows: Iterable[Totals], unique_fields: list[str]) -> None:
    """Insert or replace the rows, in one statement where the database takes that many values."""
    fields = [column for column in model._meta.concrete_fields if not column.primary_key]
    # Without their ids: to Django, rows with an id and rows without are two statements.
    fresh = [model(**{column.attname: getattr(row, column.attname) for column in fields}) for row in rows]
    model._default_manager.bulk_create(
        fresh,
        update_conflicts=True,
        unique_fields=unique_fields,
        update_fields=[column.name for column in fields if column.name not in unique_fields],
    )


def _within(row: Totals, value: float | None) -> float | None:
    """An estimate is never outside of what was measured."""
    if value is None or row.min_ms is None or row.max_ms is None:
        return value
    return min(max(value, row.min_ms), row.max_ms)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / NS_PER_MS
