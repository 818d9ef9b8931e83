"""What others do with a snapshot: the same rows, the same database server, by libraries people use for it.

Runs in the environment of the peers: `python -m benchmarks.record_peers <peer> <size> <database url>`. Prints the
seconds of the second snapshot (1 % of the rows new, 1 % gone) and what it added to the process at its highest, in MB.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.snapshots import NAMES, Snapshot, values_of

Merge = Callable[[Any], None]
TABLE = "peer_thing"
COLUMNS = (
    "id bigserial PRIMARY KEY, code varchar(20) NOT NULL, name varchar(200) NOT NULL, city varchar(100) NOT NULL, "
    "price numeric(10, 2) NOT NULL, stock integer NOT NULL, rating double precision NOT NULL, "
    "is_open boolean NOT NULL, seen_at timestamptz NOT NULL, archived_at timestamptz"
)


def filled(url: str, size: int) -> None:
    """A table that holds the first snapshot."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
        cursor.execute(f"CREATE TABLE {TABLE} ({COLUMNS})")
        with cursor.copy(f"COPY {TABLE} ({', '.join(NAMES)}) FROM STDIN") as copy:
            for number in range(size):
                copy.write_row(values_of(number))
        cursor.execute(f"CREATE UNIQUE INDEX ON {TABLE} (code) WHERE archived_at IS NULL")
        cursor.execute(f"VACUUM ANALYZE {TABLE}")


def django_model(url: str) -> Any:
    from urllib.parse import urlsplit

    import django
    from django.conf import settings
    from django.db import models

    parts = urlsplit(url)
    database = {
        "ENGINE": "django.db.backends.postgresql", "NAME": parts.path.strip("/"), "USER": parts.username or "",
        "PASSWORD": parts.password or "", "HOST": parts.hostname or "", "PORT": str(parts.port or ""),
    }  # fmt: skip
    settings.configure(DATABASES={"default": database}, USE_TZ=True)
    django.setup()
    fields = {
        "code": models.CharField(max_length=20), "name": models.CharField(max_length=200),
        "city": models.CharField(max_length=100), "price": models.DecimalField(max_digits=10, decimal_places=2),
        "stock": models.IntegerField(), "rating": models.FloatField(), "is_open": models.BooleanField(),
        "seen_at": models.DateTimeField(), "archived_at": models.DateTimeField(null=True),
    }  # fmt: skip
    meta = type("Meta", (), {"app_label": "peers", "db_table": TABLE, "managed": False})
    return type("Thing", (models.Model,), {**fields, "id": models.BigAutoField(primary_key=True), "Meta": meta,
                                           "__module__": __name__})  # fmt: skip


def naive_django(url: str, size: int) -> Merge:
    """Read what is there, compare in Python, bulk_update and bulk_create."""
    from django.db import transaction
    from django.utils import timezone

    filled(url, size)
    model = django_model(url)

    def merge(rows: Any) -> None:
        now = timezone.now()
        with transaction.atomic():
            current = {thing.code: thing for thing in model.objects.filter(archived_at=None)}
            new, old = [], []
            for row in rows:
                known = current.pop(row["code"], None)
                if known is None or any(getattr(known, name) != row[name] for name in NAMES):
                    new.append(model(**row))
                    old += [known] if known else []
            old += current.values()
            for thing in old:
                thing.archived_at = now
            model.objects.bulk_update(old, ["archived_at"], batch_size=500)
            model.objects.bulk_create(new, batch_size=1000)

    return merge


def django_bulk_sync(url: str, size: int) -> Merge:
    """Without history: what is missing is deleted. Its `bulk_sync` updates equal rows as well, so they are left out."""
    from bulk_sync import bulk_compare
    from django.db import transaction

    filled(url, size)
    model = django_model(url)

    def merge(rows: Any) -> None:
        with transaction.atomic():
            found = bulk_compare(
                model.objects.all(), [model(**row) for row in rows], ["code"], ignore_fields=["id", "archived_at"]
            )
            model.objects.bulk_create(found["added"], batch_size=1000)
            model.objects.bulk_update(found["updated"], NAMES, batch_size=500)
            model.objects.filter(pk__in=[thing.pk for thing in found["removed"]]).delete()

    return merge


def naive_sqlalchemy(url: str, size: int) -> Merge:
    """The same as with Django, with a session."""
    from datetime import UTC, datetime

    import sqlalchemy as sa
    from sqlalchemy.orm import Session, registry

    filled(url, size)
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))

    class Thing:
        code: str
        archived_at: datetime | None

        def __init__(self, **values: Any) -> None:
            for name, value in values.items():
                setattr(self, name, value)

    registry().map_imperatively(Thing, sa.Table(TABLE, sa.MetaData(), autoload_with=engine))

    def merge(rows: Any) -> None:
        now = datetime.now(UTC)
        with Session(engine) as session, session.begin():
            current = {thing.code: thing for thing in session.scalars(sa.select(Thing).filter_by(archived_at=None))}
            new = []
            for row in rows:
                known = current.pop(row["code"], None)
                if known is None or any(getattr(known, name) != row[name] for name in NAMES):
                    new.append(Thing(**row))
                    if known is not None:
                        known.archived_at = now
            for thing in current.values():
                thing.archived_at = now
            session.flush()
            session.add_all(new)

    return merge


def dlt_scd2(url: str, size: int) -> Merge:
    """Its slowly changing dimension of type 2, into the same server."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": tempfile.mkdtemp(prefix="dlt-")}
    import dlt

    destination = dlt.destinations.postgres(url)
    pipeline = dlt.pipeline(
        "peer", destination=destination, dataset_name="dlt_peer", pipelines_dir=os.environ["DLT_DATA_DIR"]
    )

    def merge(rows: Any) -> None:
        way = {"disposition": "merge", "strategy": "scd2"}
        pipeline.run(dlt.resource(iter(rows), name="thing", write_disposition=way, primary_key="code"))

    merge(Snapshot(range(size)))
    return merge


PEERS: dict[str, Callable[[str, int], Merge]] = {
    "naive Django": naive_django,
    "naive SQLAlchemy": naive_sqlalchemy,
    "django-bulk-sync": django_bulk_sync,
    "dlt scd2": dlt_scd2,
}


def peak() -> float:
    """Megabytes, the highest since it was asked to begin anew."""
    lines: Iterator[str] = iter(Path("/proc/self/status").read_text().splitlines())
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def main(peer: str, size: int, url: str) -> None:
    merge = PEERS[peer](url, size)
    rows = list(Snapshot(range(size // 100, size // 100 + size)))
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    began = time.perf_counter()
    merge(rows)
    print(json.dumps({"seconds": time.perf_counter() - began, "memory": peak() - before}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
