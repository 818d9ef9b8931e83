"""`manage.py quality`: rows that were put aside, and merges that are let through, from a shell."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.quality import services
from apps.quality.models import QuarantinedRow
from apps.quality.selectors import held_rows
from apps.records.models import DataTable
from apps.records.replay import replay

#: So many rows are listed.
LISTED = 50


class Command(BaseCommand):
    help = (
        "Rows that a rule put aside: list, replay or discard them, by number or all that match. "
        "let-through has the next merge into a dataset pass, whatever the rules about merges say."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, text in (
            ("held", "list the rows that wait"),
            ("replay", "merge them, if the rules let them now"),
            ("discard", "throw them away"),
        ):
            one = verbs.add_parser(verb, help=text)
            if verb != "held":
                one.add_argument("ids", nargs="*", type=int, metavar="ID", help="numbers, as `held` shows them")
                one.add_argument("--all", action="store_true", help="every row that is held and matches")
            one.add_argument("--dataset", default="", help="the label of its model: shop_books_prices.price")
            one.add_argument("--run", default="", help="the id of a run, or its beginning")
            one.add_argument("--rule", default="", help="the name of the rule")
        verbs.add_parser("let-through", help="let the next merge through").add_argument("dataset")

    def handle(self, *_: Any, verb: str, **options: Any) -> None:
        match verb:
            case "let-through":
                self._let_through(options["dataset"].lower())
            case "held":
                self._list(options)
            case _:
                self._settle(verb, options)

    def _let_through(self, label: str) -> None:
        labels = [model._meta.label_lower for model in apps.get_models() if issubclass(model, DataTable)]
        if label not in labels:
            raise CommandError(f"There is no dataset {label}. There are: {', '.join(sorted(labels)) or 'none'}.")
        granted = services.let_through(label, actor=None, source=AuditEntry.SHELL, now=utc_now())
        self.stdout.write(f"The next merge into {label} is let through, until {granted.expires_at:%Y-%m-%d %H:%M} UTC.")

    def _list(self, options: dict[str, Any]) -> None:
        rows = held_rows(dataset=options["dataset"], run=options["run"], rule=options["rule"])
        for row in rows[:LISTED]:
            self.stdout.write(f"{row.pk}  {row.dataset.label}  run {row.runtime[:8]}  {row.reason}")
        self.stdout.write(f"{rows.count()} held.")

    def _settle(self, verb: str, options: dict[str, Any]) -> None:
        ids, wants_all = options["ids"], options["all"]
        if bool(ids) == wants_all:
            raise CommandError(f"Name rows by their numbers, or say --all: manage.py quality {verb} --all")
        if ids and (unknown := set(ids) - set(QuarantinedRow.objects.filter(pk__in=ids).values_list("pk", flat=True))):
            raise CommandError(f"There is no quarantined row {min(unknown)}. List them: manage.py quality held")
        matching = held_rows(dataset=options["dataset"], run=options["run"], rule=options["rule"])
        wanted = list(matching.values_list("pk", flat=True)) if wants_all else ids
        if verb == "discard":
            count = services.discard(wanted, actor=None, source=AuditEntry.SHELL, now=utc_now())
            self.stdout.write(f"{count} discarded of {len(wanted)}.")
            return
        done = replay(wanted, actor=None, source=AuditEntry.SHELL, now=utc_now())
        self.stdout.write(done.sentence)
        for pk, reason in done.held[:LISTED]:
            self.stdout.write(f"{pk}  {reason}")
