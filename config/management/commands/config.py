"""`manage.py config`: what the settings are, and where each came from."""

from __future__ import annotations

import json
import textwrap
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any

from django.core import checks
from django.core.management.base import BaseCommand

from config.checks import TABLES, TAG, check_settings
from config.settings.env import Settings, get_settings
from config.settings.group import Group
from config.settings.groups import GROUPS
from config.settings.wording import MASK, redacted

NAME_WIDTH = 31
VALUE_WIDTH = 47


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting as it may be shown."""

    group: str
    variable: str
    value: Any
    origin: str


def shown_settings(settings: Settings) -> list[Shown]:
    """Every setting, redacted, in the order of the groups."""
    values = {group.variable(field): getattr(getattr(settings, name), field) for name, group, field in _fields()}
    origins = dict(settings.origins)
    for name in ("DC_SECRET_KEY", "DC_SECRETS_KEYS"):
        # The profiles of one machine have keys nonetheless: settings/embedded.py keeps them, settings/test.py has some.
        if values[name] is None and settings.general.profile != "production":
            values[name] = MASK
            origins[name] = f"profile {settings.general.profile}"
    return [
        Shown(
            group=(group.__doc__ or name).strip(),
            variable=group.variable(field),
            value=redacted(group.variable(field), values[group.variable(field)]),
            origin=origins.get(group.variable(field), "default"),
        )
        for name, group, field in _fields()
    ]


def _fields() -> list[tuple[str, type[Group], str]]:
    return [(name, group, field) for name, group in GROUPS.items() for field in group.model_fields]


class Command(BaseCommand):
    help = "Prints every setting with its value and origin; secrets are masked. --check says what is wrong with them."
    requires_system_checks: list[str] = []  # --check runs them and counts

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--json", action="store_true", help="print JSON instead of a table")
        how.add_argument("--check", action="store_true", help="check the settings; exit code 1 when something is wrong")

    def handle(self, *args: Any, **options: Any) -> None:
        settings = get_settings()
        if options["check"]:
            self._check(settings)
        elif options["json"]:
            self.stdout.write(json.dumps(as_json(settings), indent=2))
        else:
            self.stdout.write("\n".join(table(shown_settings(settings))))

    def _check(self, settings: Settings) -> None:
        deploy = settings.general.profile == "production"
        # Those of deployment ask for what tables need as well.
        messages = [] if deploy else check_settings(settings, TABLES)
        messages += checks.run_checks(tags=[TAG], include_deployment_checks=deploy)
        for message in messages:
            self.stderr.write(f"{message.id} {message.msg}")
            self.stderr.write(f"        {message.hint}", style_func=lambda text: text)
        if messages:
            raise SystemExit(1)
        self.stdout.write(f"The settings of the profile {settings.general.profile} are fine.")


def as_json(settings: Settings) -> dict[str, dict[str, Any]]:
    """Variable -> value and origin."""
    return {shown.variable: {"value": shown.value, "origin": shown.origin} for shown in shown_settings(settings)}


def table(settings: list[Shown]) -> list[str]:
    """Lines of at most 80 columns: group by group, a long value over several lines, its origin below it."""
    lines: list[str] = []
    group = ""
    for shown in settings:
        if shown.group != group:
            group = shown.group
            lines += ["", group] if lines else [group]
        value = ", ".join(map(str, shown.value)) if isinstance(shown.value, list) else shown.value
        parts = _wrapped("not set" if value in (None, "") else _plain(value))
        if shown.origin != "default":
            parts += _wrapped(f"({shown.origin})")
        lines.append(f"  {shown.variable:<{NAME_WIDTH}}{parts[0]}")
        lines += [" " * (NAME_WIDTH + 2) + part for part in parts[1:]]
    return lines


def _plain(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, VALUE_WIDTH, break_on_hyphens=False) or [""]
