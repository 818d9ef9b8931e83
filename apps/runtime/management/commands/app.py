"""`manage.py app <verb> <code>`: what operators ask of an app, from a shell."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from datetime import timedelta
from io import StringIO
from shutil import get_terminal_size
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from rich.console import Console

from apps.core.clock import utc_now
from apps.registry.arguments import source_of
from apps.registry.models import App
from apps.registry.services import BadArguments, parse_pairs, register_rooms
from apps.runtime import lifecycle
from apps.runtime.app_fields import faults_of, set_fields
from apps.runtime.app_report import (
    NoSuchApp,
    command_sentence,
    describe_app,
    describe_apps,
    describe_command,
    find_app,
    progress_text,
    status_table,
)
from apps.runtime.models import Command as Order
from apps.runtime.models import State
from apps.runtime.services import KeyIsTaken, check_args, issue_command
from apps.runtime.stop_requests import settle_commands
from collectors.identity import parse_code
from collectors.loader import Source

FAILED, BAD_REQUEST, REFUSED, TOO_LATE = 1, 2, 3, 4
VERBS = tuple(verb.lower() for verb in Order.Verb.values)
ACTIONS = (*VERBS, "status", "set", "unmanage", "remove", "purge")
POLL_S = 0.3
MOST_ITEMS = 2**31 - 1


class Command(BaseCommand):
    help = (
        "Start, stop and look after one app. Exit codes: 0 done, 1 the run that was waited for did not succeed, "
        "2 bad app or argument, 3 refused, 4 expired or timed out."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=ACTIONS)
        parser.add_argument("code", nargs="?", help="group.parent.app; status without it lists all apps")
        parser.add_argument("fields", nargs="*", metavar="FIELD=VALUE", help="set: what to change")
        parser.add_argument("--arg", action="append", default=[], metavar="KEY=VALUE", help="an argument of the source")
        parser.add_argument("--limit", type=int, metavar="N", help="collect at most N items; nothing is archived then")
        parser.add_argument("--dry-run", action="store_true", help="work everything out, write no row")
        parser.add_argument("--wait", action="store_true", help="start, restart: until the run ended; stop: until done")
        parser.add_argument("--timeout", type=float, metavar="S", help="give up waiting after so many seconds")
        parser.add_argument("--key", help="idempotency key: the same key again is the same command")
        parser.add_argument("--deadline", type=float, metavar="S", help="expire when not done in so many seconds")
        parser.add_argument("--trial", action="store_true", default=None, help="enable: hold a trial run first")
        parser.add_argument("--no-trial", dest="trial", action="store_false", help="enable: trust it without a trial")
        parser.add_argument(
            "--grace-days", type=int, default=lifecycle.GRACE_DAYS, metavar="N", help="remove: purge it after N days"
        )
        parser.add_argument("--cancel", action="store_true", help="remove: keep it after all")
        parser.add_argument("--yes-purge", metavar="CODE", help="purge: the code once more, instead of typing it")
        parser.add_argument("--json", action="store_true", help="one JSON object, for programs")

    def handle(self, *_: Any, action: str, code: str | None, **options: Any) -> None:
        try:
            self._run(action, code, options)
        except (BadArguments, KeyIsTaken, NoSuchApp) as error:
            raise CommandError(str(error), returncode=BAD_REQUEST) from None
        except (ValidationError, lifecycle.StillRunning) as error:
            raise CommandError(faults_of(error), returncode=REFUSED) from None
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise CommandError(f"The platform's database cannot be used: {reason}", returncode=FAILED) from None

    def _run(self, action: str, code: str | None, options: dict[str, Any]) -> None:
        register_rooms()
        if action == "status" and code is None:
            self._list(as_json=options["json"])
            return
        if code is None:
            raise CommandError(f"Name the app: manage.py app {action} group.parent.app", returncode=BAD_REQUEST)
        app = find_app(code)
        if options["fields"] and action != "set":
            raise BadArguments(f"{action} takes no FIELD=VALUE; arguments of a run are given as --arg KEY=VALUE.")
        if action in VERBS:
            self._command(app, action, options)
        else:
            getattr(self, f"_{action}")(app, options)

    # -- Looking -------------------------------------------------------------------------------------------------------

    def _list(self, *, as_json: bool) -> None:
        told = describe_apps(App.objects.all())
        if as_json:
            self.stdout.write(json.dumps(told))
        else:
            self._draw(told)

    def _status(self, app: App, options: dict[str, Any]) -> None:
        told = describe_app(app)
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        self._draw([told])
        if told["fatal_reason"]:
            self.stdout.write(f"\nDisabled by the platform: {told['fatal_reason']}")
        if told["run"] and told["run"]["cause"]:
            self.stdout.write(f"\nLast run {told['run']['id']}: {told['run']['cause']}")
        for command in told["commands"]:
            self.stdout.write(f"Command {command['id']}: {command['verb']} is {command['state'].lower()}.")

    def _draw(self, told: list[dict[str, Any]]) -> None:
        out = StringIO()
        # Written to a file or a pipe there is no width to keep to.
        Console(file=out, width=get_terminal_size().columns if self.stdout.isatty() else 200).print(status_table(told))
        self.stdout.write(out.getvalue(), ending="")

    # -- Commands ------------------------------------------------------------------------------------------------------

    def _command(self, app: App, action: str, options: dict[str, Any]) -> None:
        limit = options["limit"]
        if limit is not None and not 1 <= limit <= MOST_ITEMS:
            raise BadArguments(f"--limit has to be a number from 1 to {MOST_ITEMS}, not {limit}.")
        args = parse_pairs(options["arg"], source_of(app) or Source(parse_code(app.code), None, _nothing))
        if action in ("start", "restart"):
            check_args(app, args)
        now, deadline = utc_now(), options["deadline"]
        command = issue_command(
            app,
            Order.Verb(action.upper()),
            source=Order.Source.SHELL,
            args=args if args or action != "restart" else None,
            limit=limit,
            dry_run=options["dry_run"],
            trial=options["trial"],
            idempotency_key=options["key"],
            deadline_at=None if deadline is None else now + timedelta(seconds=deadline),
            now=now,
        )
        is_in_time = self._wait(command, options) if options["wait"] else True
        self._report(app, action, command, options, is_in_time=is_in_time)

    def _wait(self, command: Order, options: dict[str, Any]) -> bool:
        """Until the command is closed, and what it started has ended. False when the time was over first."""
        end = None if options["timeout"] is None else time.monotonic() + options["timeout"]
        said = ""
        while True:
            # Nobody else may be there to do it: no manager, no worker.
            settle_commands(now=utc_now())
            command.refresh_from_db()
            run = command.runtime if command.verb in (Order.Verb.START, Order.Verb.RESTART) else None
            if command.finished_at is not None and (run is None or run.has_ended):
                return True
            if end is not None and time.monotonic() >= end:
                return False
            if run is not None and not options["json"]:
                told = {"state": run.state, "progress": run.progress, "solved": run.solved, "failed": run.failed}
                text = f"{run.get_state_display()}: {progress_text(told)}" if run.is_live else run.get_state_display()
                if text != said:
                    self.stdout.write(text)
                    said = text
            time.sleep(POLL_S)

    def _report(self, app: App, action: str, command: Order, options: dict[str, Any], *, is_in_time: bool) -> None:
        run = command.runtime
        if options["json"]:
            self.stdout.write(json.dumps(describe_command(command)))
        if command.state == Order.Progress.NOT_EXECUTED:
            raise CommandError(command.reason, returncode=REFUSED)
        if command.state == Order.Progress.EXPIRED or not is_in_time:
            text = command.reason or f"Still {command.state.lower()} after {options['timeout']:g} s."
            raise CommandError(text, returncode=TOO_LATE)
        if not options["json"]:
            self.stdout.write(command_sentence(app, action, command))
        if options["wait"] and run is not None and run.has_ended and action in ("start", "restart"):
            if not options["json"]:
                self.stdout.write(f"{run.state}{f': {run.cause}' if run.cause else ''}")
            if run.state != State.SUCCEEDED:
                raise CommandError(f"The run {run.pk} did not succeed.", returncode=FAILED)

    def _set(self, app: App, options: dict[str, Any]) -> None:
        changed = set_fields(app, options["fields"], now=utc_now())
        text = ", ".join(f"{name} = {value}" for name, value in changed.items()) or "nothing to change"
        self._say(options, app, f"{app.code}: {text}.")

    # -- Leaving -------------------------------------------------------------------------------------------------------

    def _unmanage(self, app: App, options: dict[str, Any]) -> None:
        lifecycle.unmanage(app, source=Order.Source.SHELL, now=utc_now())
        self._say(options, app, f"{app.code} is off the clock; it runs only when somebody starts it.")

    def _remove(self, app: App, options: dict[str, Any]) -> None:
        if options["cancel"]:
            if not lifecycle.cancel_removal(app, source=Order.Source.SHELL, now=utc_now()):
                raise CommandError(f"{app.code} is not going to be removed.", returncode=REFUSED)
            self._say(options, app, f"{app.code} is kept; it is disabled.")
            return
        days = options["grace_days"]
        if not 0 <= days <= lifecycle.MOST_GRACE_DAYS:
            raise BadArguments(f"--grace-days has to be from 0 to {lifecycle.MOST_GRACE_DAYS}, not {days}.")
        when = lifecycle.request_removal(app, grace_days=days, source=Order.Source.SHELL, now=utc_now())
        text = f"{app.code} is disabled, and its rows are deleted after {when:%Y-%m-%d %H:%M} UTC."
        self._say(options, app, f"{text} To keep it: manage.py app remove {app.code} --cancel")

    def _purge(self, app: App, options: dict[str, Any]) -> None:
        typed = options["yes_purge"]
        if typed is None:
            self.stdout.write(
                f"This deletes the runs, lines, commands and functions of {app.code} for ever. What it collected and "
                "its source files stay."
            )
            try:
                typed = input("Type the code of the app to go on: ")
            except EOFError:
                typed = ""
        if typed.strip() != app.code:
            raise CommandError(f"Nothing was deleted: that is not {app.code}.", returncode=REFUSED)
        deleted: dict[str, int] = {}
        for table, count in lifecycle.purge_app(app, source=Order.Source.SHELL, now=utc_now()):
            deleted[table] = deleted.get(table, 0) + count
        if options["json"]:
            self.stdout.write(json.dumps({"app": app.code, "deleted": deleted}))
        else:
            numbers = ", ".join(f"{count:,} {table}" for table, count in deleted.items())
            self.stdout.write(f"Purged {app.code}: {numbers}.")

    def _say(self, options: dict[str, Any], app: App, text: str) -> None:
        if options["json"]:
            app.refresh_from_db()
            self.stdout.write(json.dumps(describe_app(app)))
        else:
            self.stdout.write(text)


def _nothing(_context: Any) -> Any:
    raise NotImplementedError
