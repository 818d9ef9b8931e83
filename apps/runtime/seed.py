"""What a fresh installation begins with: roles, an administrator, the rooms on disk, and examples that run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from apps.accounts.models import AuditEntry
from apps.accounts.roles import seed_roles
from apps.accounts.services import ensure_administrator, hand_out_login_link
from apps.captcha.budget import installation
from apps.registry.models import App
from apps.registry.services import register_rooms
from apps.runtime.models import Command
from apps.runtime.services import issue_command

PYTHON_DOCS = Path("/usr/share/doc/python3/html")


@dataclass(frozen=True, slots=True)
class Example:
    """An example source that `up` puts on a schedule the first time it sees it."""

    code: str
    interval_s: int
    needs: Path | None = None
    hint: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)


#: What is wrong with it on purpose: people learn in their first minutes how a failure is found and repaired.
BROKEN = Example("examples.shop.shelf", 60, args={"category": "Poetri"})
EXAMPLES = (
    Example("examples.debian.python_docs", 600, PYTHON_DOCS, "install it: apt install python3-doc"),
    Example("examples.shop.books", 60),
    BROKEN,
)


def migrate() -> None:
    """Bring the tables of every connection up to date."""
    for alias in connections:
        call_command("migrate", database=alias, verbosity=0, interactive=False)


def seed(*, now: datetime) -> list[str]:
    """Everything but the tables; safe to call at every start. Returns what a person should know, in sentences."""
    seed_roles()
    register_rooms()
    for app in App.objects.filter(code__startswith="examples.shop."):
        _point_at_demo(app)
    installation()
    return [note for example in EXAMPLES if (note := _seed_example(example, now))]


def login_link(*, now: datetime) -> str:
    """A link that signs the administrator in, once."""
    user = ensure_administrator()
    link = hand_out_login_link(user=user, actor=None, source=AuditEntry.SHELL, now=now)
    return f"{settings.DC_PUBLIC_URL}{link}"


def _seed_example(example: Example, now: datetime) -> str:
    app = App.objects.filter(code=example.code).first()
    if app is None:
        return ""
    if example.needs is not None and not example.needs.is_dir():
        return f"{app.code} has nothing to collect: {example.needs} is missing; {example.hint}."
    if app.schedule == App.Schedule.MANUAL and not app.runtimes.exists():
        app.schedule, app.interval_s = App.Schedule.INTERVAL, example.interval_s
        app.args = {**example.args, **app.args}
        app.save(update_fields=["schedule", "interval_s", "args", "modified_at"])
        for verb in (Command.Verb.ENABLE, Command.Verb.START):
            issue_command(app, verb, source=Command.Source.SHELL, now=now)
    return ""


def _point_at_demo(app: App) -> None:
    """The demo site moves with DC_WEB_PORT; an address that somebody typed is left alone."""
    current = app.args.get("base_url", "")
    if not current or current.startswith("http://127.0.0.1:"):
        app.args = {**app.args, "base_url": f"http://127.0.0.1:{settings.DC_WEB_PORT}/demo/"}
        app.save(update_fields=["args", "modified_at"])
