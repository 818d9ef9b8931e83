"""System check: files of rules that cannot be used."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Warning  # noqa: A004  (Django's name for it)

from apps.quality.in_force import rule_book, rules_in_room
from collectors.discovery import installed_rooms
from collectors.toolkit.quality.kinds import BadRule


def register_all() -> None:
    """Hand the check to Django; called once, when the Django app is ready."""
    checks.register(check_room_rules)


def check_room_rules(**_: Any) -> list[CheckMessage]:
    """What is wrong with the `rules.py` of the rooms of this process."""
    found: list[CheckMessage] = []
    for config in installed_rooms():
        try:
            for rules in rules_in_room(config.label):
                rule_book(rules.model, [])
        except BadRule as error:
            hint = "Nothing is merged into the tables of the room until it is repaired."
            found.append(Warning(str(error), hint=hint, id="quality.W001"))
    return found
