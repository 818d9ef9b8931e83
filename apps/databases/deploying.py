"""Tables of sources on their connections: planned, made, filled, dropped. All of it is Django's migrations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.core import serializers
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import DatabaseError, connections, router, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry
from apps.databases.fence_table import is_the_platforms, make_fence
from apps.databases.loading import use
from apps.databases.objects import others_of
from collectors.discovery import RoomConfig, installed_rooms

SEEDS = "fixtures/seed.json"


class DeployError(Exception):
    """Why nothing was done, as a sentence."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a source, and how many rows it holds; None when there is no such table."""

    name: str
    rows: int | None
    others: Sequence[str] = ()
    """Apps beside those of the target that have touched it, and what they do with it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What there is to do for one source on one connection."""

    code: str
    label: str
    alias: str
    migrations: Sequence[Any] = field(default_factory=list)
    """Those that are not applied, in their order."""

    @property
    def operations(self) -> Iterator[str]:
        """What they do, a sentence each."""
        for migration in self.migrations:
            for operation in migration.operations:
                yield f"{migration.name}: {operation.formatted_description()}"

    def statements(self) -> list[str]:
        """The SQL of the migrations, in the dialect of the connection."""
        executor = MigrationExecutor(connections[self.alias])
        return list(executor.loader.collect_sql([(migration, False) for migration in self.migrations]))


class Deploy:
    """The tables of all sources below `target`: a code, a beginning of codes, or "all".

    `alias` leaves out every other connection. Raises `DeployError` and `UnusableConnection`.
    """

    def __init__(self, target: str, alias: str = "") -> None:
        self.target, self.alias = target, alias
        self.rooms = _rooms_of(target)
        if alias:
            use(alias)

    def places(self) -> list[tuple[RoomConfig, str]]:
        """Each source with each connection that one of its models lives on."""
        found = []
        for room in self.rooms:
            aliases = sorted({router.db_for_write(model) for model in room.get_models()})
            found += [(room, use(alias)) for alias in aliases if self.alias in ("", alias)]
        if not found:
            where = f' on connection "{self.alias}"' if self.alias else ""
            raise DeployError(f"{self.target} has no tables{where}.")
        return found

    def plan(self) -> list[Step]:
        """What `create` would do; changes nothing."""
        steps = []
        for room, alias in self.places():
            executor = MigrationExecutor(connections[alias])
            leaves = [node for node in executor.loader.graph.leaf_nodes() if node[0] == room.label]
            if not leaves:
                raise DeployError(
                    f"{room.room.info.code} has models and no migrations: manage.py makemigrations {room.label}"
                )
            missing = [migration for migration, _ in executor.migration_plan(leaves)]
            steps.append(Step(room.room.info.code, room.label, alias, missing))
        return steps

    def create(self, *, now: datetime) -> None:
        """Apply what is not applied."""
        for step in self.plan():
            _refuse_read_only(step.alias)
            if step.migrations:
                call_command("migrate", step.label, database=step.alias, verbosity=0, interactive=False)
                names = [migration.name for migration in step.migrations]
                _note("tables.created", step.code, step.alias, now=now, migrations=names)
            if not is_the_platforms(step.alias):
                make_fence(step.alias)

    def seed(self, *, now: datetime) -> dict[str, int]:
        """Add the rows of the fixtures that are not there yet. Returns how many were added, by source."""
        added = {}
        for room in dict.fromkeys(room for room, _ in self.places()):
            path, code = room.room.folder / SEEDS, room.room.info.code
            if path.is_file():
                added[code] = _seed(room, path.read_text())
                if added[code]:
                    _note("tables.seeded", code, now=now, added=added[code])
        return added

    def tables(self) -> list[Table]:
        """What `drop` would take away."""
        found = []
        codes = [room.room.info.code for room in self.rooms]
        for room, alias in self.places():
            existing = set(connections[alias].introspection.table_names())
            for model in room.get_models():
                if router.db_for_write(model) == alias:
                    name = model._meta.db_table
                    rows = model._default_manager.using(alias).count() if name in existing else None
                    found.append(Table(f"{alias}: {name}", rows, others_of(alias, name, except_for=codes)))
        return found

    def drop(self, *, now: datetime) -> None:
        """Unapply every migration; the rows are gone. Refused while a run of one of the sources is alive."""
        places = self.places()
        for room, _ in places:
            _refuse_live(room)
        for room, alias in reversed(places):
            _refuse_read_only(alias)
            applied = MigrationExecutor(connections[alias]).loader.applied_migrations
            call_command("migrate", room.label, "zero", database=alias, verbosity=0, interactive=False)
            if any(label == room.label for label, _ in applied):
                _note("tables.dropped", room.room.info.code, alias, now=now)


def _note(action: str, code: str, alias: str = "", *, now: datetime, **details: Any) -> None:
    """Source by source: what was done stays done when the next one fails."""
    where = {"connection": alias} if alias else {}
    record(action, code, source=AuditEntry.SHELL, now=now, **where, **details)


def _rooms_of(target: str) -> list[RoomConfig]:
    rooms = installed_rooms()
    chosen = [
        room for room in rooms if target in ("all", room.room.info.code) or room.room.info.code.startswith(f"{target}.")
    ]
    if not chosen:
        codes = ", ".join(room.room.info.code for room in rooms[:10]) or "none"
        raise DeployError(f'There is no source, parent or group "{target}"; there are: {codes}.')
    broken = [room for room in chosen if room.import_error]
    if broken and target != "all":
        raise DeployError(f"{broken[0].room.info.code} cannot be loaded: {broken[0].import_error}")
    return [room for room in chosen if not room.import_error and any(True for _ in room.get_models())]


def _refuse_live(room: RoomConfig) -> None:
    code = room.room.info.code
    runs = apps.get_model("runtime.Runtime")._default_manager
    run = runs.filter(app__code=code, ended_at__isnull=True).exclude(state="QUEUED").first()
    if run is not None:
        raise DeployError(f"{code} is running ({str(run.pk)[:8]}): stop it first, as in manage.py app stop {code}")


def _refuse_read_only(alias: str) -> None:
    row = apps.get_model("databases.Connection")._default_manager.filter(alias=alias, is_read_only=True).first()
    if row is not None:
        raise DeployError(f'Connection "{alias}" is read only.')


def _seed(room: RoomConfig, text: str) -> int:
    try:
        rows: list[Model] = [entry.object for entry in serializers.deserialize("json", text)]
    except DeserializationError as error:
        raise DeployError(f"{room.room.info.code}: {SEEDS} cannot be read: {error}") from None
    added = 0
    for row in rows:
        if row._meta.app_label != room.label:
            raise DeployError(f"{room.room.info.code}: {SEEDS} holds a row of {row._meta.label}, which is not its own.")
        alias = use(router.db_for_write(type(row)))
        try:
            with transaction.atomic(using=alias):
                if not _is_there(row, alias):
                    row.pk = None
                    row.save(using=alias, force_insert=True)
                    added += 1
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise DeployError(f"{room.room.info.code}: a row of {row._meta.label} was not stored: {reason}") from None
    return added


def _is_there(row: Model, alias: str) -> bool:
    key: Sequence[str] = getattr(row, "natural_key", None) or ()
    same: dict[str, Any] = {name: getattr(row, name) for name in key}
    if not same:
        return type(row)._default_manager.using(alias).filter(pk=row.pk).exists()
    return type(row)._default_manager.using(alias).filter(archived_at__isnull=True, **same).exists()
