"""Which rules are in force for a table: the default ones, those of its room, and those of this installation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from django.apps import apps
from django.db import models
from django.utils.module_loading import module_has_submodule
from pydantic import BaseModel

from apps.quality.models import Rule as RuleRow
from apps.quality.tables import check_fields
from collectors.discovery import RoomConfig
from collectors.mishaps import IMPORT_ERRORS, told
from collectors.toolkit.quality import ArchivedShare, DatasetRules, EmptyResult, Rule, Severity
from collectors.toolkit.quality.kinds import BadRule, make_rule

Origin = Literal["default", "room", "installation"]

#: What holds without anybody having said anything.
DEFAULTS: tuple[Rule, ...] = (EmptyResult(), ArchivedShare())
#: Of these kinds one rule is in force: the installation's, else the room's, else the default.
ONE_OF_A_KIND = frozenset({"empty_result", "archived_share", "fits"})


@dataclass(frozen=True, slots=True)
class InForce:
    """A rule, and who made it."""

    rule: Rule
    origin: Origin
    name: str
    """Unlike that of any other rule of the table."""


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All that is in force for one table."""

    rules: tuple[InForce, ...]
    row_model: type[BaseModel] | None = None
    row_model_severity: Severity = "block"


def rule_book(model: type[models.Model], rows: Iterable[RuleRow]) -> RuleBook:
    """The rules for `model`; `rows` are those of this installation. Raises `BadRule` where one makes no sense."""
    own = room_rules(model)
    found: list[tuple[Origin, Rule]] = [("installation", rule_of(row)) for row in rows]
    found += [("room", rule) for rule in (own.rules if own else ())]
    found += [("default", rule) for rule in DEFAULTS]
    taken: set[str] = set()
    book: list[tuple[Origin, Rule]] = []
    for origin, rule in found:
        if rule.kind in ONE_OF_A_KIND:
            if rule.kind in taken:
                continue
            taken.add(rule.kind)
        check_fields(rule, model)
        book.append((origin, rule))
    row_model = own.row_model if own else None
    return RuleBook(tuple(_named(book)), row_model, own.row_model_severity if own else "block")


def rule_of(row: RuleRow) -> Rule:
    """The rule that a row of the admin means. Raises `BadRule`."""
    try:
        return make_rule(row.kind, row.parameters, severity=row.severity, name=row.name)
    except BadRule as error:
        raise BadRule(f'The rule "{row}" makes no sense: {error}') from None


def room_rules(model: type[models.Model]) -> type[DatasetRules] | None:
    """What the room's `rules.py` says of one of its tables. Raises `BadRule` when it cannot be used."""
    return next((rules for rules in rules_in_room(model._meta.app_label) if rules.model is model), None)


def rules_in_room(label: str) -> list[type[DatasetRules]]:
    """Everything in the `rules.py` of a room; nothing where there is none. Raises `BadRule`."""
    config = apps.app_configs.get(label)
    if not isinstance(config, RoomConfig) or config.module is None or not module_has_submodule(config.module, "rules"):
        return []
    try:
        module = import_module(f"{config.name}.rules")
    except IMPORT_ERRORS as error:
        raise BadRule(
            f"The rules.py of {config.room.info.code} cannot be used: {told(error, config.room.folder)}"
        ) from error
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DatasetRules) and value.__module__ == module.__name__
    ]
    _refuse_nonsense(found, config.room.info.code)
    return found


def _refuse_nonsense(found: list[type[DatasetRules]], code: str) -> None:
    seen: dict[Any, str] = {}
    for rules in found:
        model = getattr(rules, "model", None)
        if not (isinstance(model, type) and issubclass(model, models.Model)):
            raise BadRule(f"The rules.py of {code}: {rules.__name__} has to name its table, as in `model = Price`.")
        if model in seen:
            raise BadRule(f"The rules.py of {code}: {seen[model]} and {rules.__name__} are about the same table.")
        listed: tuple[object, ...] = rules.rules
        if wrong := [rule for rule in listed if not isinstance(rule, Rule)]:
            raise BadRule(f"The rules.py of {code}: {rules.__name__} lists {wrong[0]!r}, which is no rule.")
        seen[model] = rules.__name__


def _named(book: list[tuple[Origin, Rule]]) -> Iterable[InForce]:
    counts: dict[str, int] = {}
    for origin, rule in book:
        count = counts[rule.title] = counts.get(rule.title, 0) + 1
        yield InForce(rule, origin, rule.title if count == 1 else f"{rule.title} ({count})")
