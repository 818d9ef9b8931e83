"""What the pages of rows read: the list as it stood, the versions of a row, what is known of its runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, TypeAlias, TypeVar

from django.apps import apps
from django.db.models import Model, Q, QuerySet

from apps.records.history import Version, version_of
from apps.records.models import DataTable, true_at
from collectors.discovery import RoomConfig

#: Which rows of a table: those that are true, those that are history, or both.
Which: TypeAlias = Literal["current", "archived", "all"]
WHICH: tuple[Which, ...] = ("current", "archived", "all")

_Rows = TypeVar("_Rows", bound=QuerySet[Any])


def app_code(model: type[Model]) -> str:
    """The app whose room the table is in; empty for a table outside of rooms."""
    config = apps.app_configs.get(model._meta.app_label)
    return str(config.room.info.code) if isinstance(config, RoomConfig) else ""


def as_it_stood(rows: _Rows, which: Which, moment: datetime | None = None) -> _Rows:
    """Those of `rows` that a list of `which` shows now, or showed at `moment`."""
    if moment is None:
        return rows if which == "all" else rows.filter(archived_at__isnull=which == "current")
    conditions = {
        "current": true_at(moment),
        "archived": Q(archived_at__lte=moment),
        "all": Q(created_at__lte=moment),
    }
    return rows.filter(conditions[which])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMention:
    """A run as the page of a row names it."""

    id: str
    is_kept: bool | None
    """Whether its row is still there to be opened; None where that is not for this person to know."""
    trigger: str = ""
    issuer: str = ""
    """Who asked for it, where a person did."""


def mentions(run_ids: Collection[str]) -> dict[str, RunMention]:
    """What is still known of these runs, by id."""
    wanted = {run for run in run_ids if run}
    if not wanted:
        return {}
    # Runs belong to a layer above this one: they are known by name.
    kept = apps.get_model("runtime.Runtime")._default_manager.filter(pk__in=wanted)
    triggers = {run.pk: str(run.get_trigger_display()) for run in kept.only("pk", "trigger")}
    starts = apps.get_model("runtime.Command")._default_manager.filter(runtime_id__in=triggers, verb="START")
    issuers = dict(starts.exclude(issuer=None).values_list("runtime_id", "issuer__username"))
    return {
        run: RunMention(
            id=run, is_kept=run in triggers, trigger=triggers.get(run, ""), issuer=str(issuers.get(run, ""))
        )
        for run in wanted
    }


def kept_runs(run_ids: Collection[str]) -> set[str]:
    """Those of these runs whose row is still there."""
    wanted = {run for run in run_ids if run}
    if not wanted:
        return set()
    found = apps.get_model("runtime.Runtime")._default_manager.filter(pk__in=wanted).values_list("pk", flat=True)
    return set(map(str, found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """A version on the page of a row, and what was before it."""

    version: Version
    is_first: bool
    unseen_from: datetime | None
    """Since when the thing had not been seen when this version was written; None without a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eras:
    """Some of the versions of one natural key, newest first."""

    shown: list[Era]
    older: Any = None
    """The primary key that the next page continues behind; None at the end."""


def eras(row: DataTable, *, most: int, behind: Any = None) -> Eras:
    """The versions of the thing that `row` is about: the newest ones, or those older than the row `behind`.

    In two questions, one for the current row and one for its history, because each has an index of its own.
    """
    model = type(row)
    rows = model._default_manager.filter(**{name: getattr(row, name) for name in model.natural_key})
    history = rows.filter(archived_at__isnull=False)
    found: list[DataTable] = [] if behind is not None else list(rows.filter(archived_at__isnull=True))
    if behind is not None:
        at = rows.filter(pk=behind).values_list("created_at", flat=True).first()
        history = (
            history.none() if at is None else history.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=behind))
        )
    found += history.order_by("-created_at", "-pk")[: most + 1]
    found.sort(key=lambda each: (each.created_at, each.pk), reverse=True)
    before: dict[Any, DataTable] = {new.pk: old for new, old in pairwise(found)}
    shown = [_era(each, before.get(each.pk)) for each in found[:most]]
    return Eras(shown=shown, older=shown[-1].version.row.pk if len(found) > most else None)


def _era(row: DataTable, old: DataTable | None) -> Era:
    gap = old.archived_at if old is not None and old.archived_at and old.archived_at < row.created_at else None
    return Era(version=version_of(row, old), is_first=old is None, unseen_from=gap)
