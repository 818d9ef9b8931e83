"""Three years of a busy installation, written by the database itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models

#: Runs are spread over so many days, the last one now.
DAYS = 90


def seed(*, apps: int, runs: int, lines: int, commands: int) -> None:
    """Apps that all ran, their commands, and lines of the newest runs."""
    from apps.logs.models import Log
    from apps.registry.models import App, AppGroup, AppParent
    from apps.runtime.models import Command, Runtime, State
    from collectors.identity import app_info

    now = datetime.now(UTC)
    parents = [
        AppParent.objects.create(group=group, name=f"parent{number}")
        for group in [AppGroup.objects.create(name=f"group{number}") for number in range(10)]
        for number in range(10)
    ]
    rows = []
    for number in range(apps):
        parent = parents[number % len(parents)]
        info = app_info(parent.group.name, parent.name, f"app{number}")
        rows.append(
            App(
                parent=parent,
                name=info.app,
                code=f"{info.group}.{info.parent}.{info.app}",
                identity=info.identity,
                is_enabled=number % 7 != 0,
                fatal=App.Fatal.FAILED if number % 500 == 0 else App.Fatal.NONE,
                schedule=App.Schedule.INTERVAL,
                interval_s=3600,
                next_run_at=now + timedelta(seconds=number) if number % 7 else None,
            )
        )
    App.objects.bulk_create(rows, batch_size=1000)
    first = App.objects.order_by("pk")[0].pk
    every = DAYS * 86_400 / runs
    queued = f"now() - ({runs} - n) * interval '{every:.6f} seconds'"
    run = Runtime.objects.create(
        app_id=first,
        trigger=Runtime.Trigger.SCHEDULE,
        state=State.SUCCEEDED,
        queued_at=now,
        ended_at=now,
        rows_seen=100,
    )
    _multiply(
        run,
        runs,
        id="md5(n::text)",
        app_id=f"{first} + n % {apps}",
        state="CASE WHEN n % 40 = 0 THEN 'FAILED' WHEN n % 173 = 0 THEN 'CRASHED' ELSE 'SUCCEEDED' END",
        cause="CASE WHEN n % 40 = 0 THEN 'The site answered 503.' ELSE '' END",
        due_at=queued,
        queued_at=queued,
        started_at=f"{queued} + interval '2 seconds'",
        ended_at=f"{queued} + (n % 300 + 3) * interval '1 second'",
        rows_seen="n % 5000",
        rows_inserted="n % 50",
    )
    command = Command.objects.create(
        app_id=first,
        verb=Command.Verb.START,
        state=Command.Progress.EXECUTED,
        source=Command.Source.ADMIN,
        created_at=now,
        finished_at=now,
    )
    _multiply(command, commands, app_id=f"{first} + n % {apps}", created_at="now() - n * interval '7 seconds'")
    line = Log.objects.create(app_id=first, runtime_id=run.pk, line_number=0, logged_at=now, message="page.fetched")
    _multiply(
        line,
        lines,
        runtime_id=f"md5(({runs} - n / 1000)::text)",
        app_id=f"{first} + ({runs} - n / 1000) % {apps}",
        line_number="n % 1000 + 1",
        logged_at=f"now() - ({lines} - n) * interval '0.05 seconds'",
        level="CASE WHEN n % 500 = 0 THEN 40 ELSE 20 END",
        message="'page.fetched item ' || n",
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # what autovacuum does by itself where it is on


def _multiply(row: models.Model, count: int, **values: str) -> None:
    """So many rows like this one, `n` being 1, 2, 3 ...: columns that differ are expressions of SQL."""
    fields: list[Any] = [field for field in row._meta.concrete_fields if not isinstance(field, models.AutoField)]
    columns = [field.column for field in fields]
    taken = [values.get(column, f'one."{column}"').replace("%", "%%") for column in columns]
    names = ", ".join(f'"{column}"' for column in columns)
    table, key = row._meta.db_table, row._meta.pk.column
    # Names and expressions are our own; the key is a value.
    statement = (
        f'INSERT INTO "{table}" ({names}) SELECT {", ".join(taken)} FROM "{table}" one, '
        f'generate_series(1, {count}) n WHERE one."{key}" = %s'
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [row.pk])
