"""The first steps on Home: what somebody new has done already, read from what they did, and what comes next.

Two steps leave no trace of their own, opening a run and opening a row: the site notes them with the person. The card
goes when it is hidden, and is never shown to people who have been here for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.db.models import Exists, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import AuditEntry, User
from apps.accounts.policy import may
from apps.accounts.preferences import preference, remember
from apps.console.tables import models as tables
from apps.registry.models import App
from apps.runtime.models import Command, Runtime, State
from apps.runtime.seed import BROKEN

#: Preferences: the steps that were noted, and whether the card was hidden.
NOTED, HIDDEN = "first_steps", "first_steps_hidden"
NEW_FOR = timedelta(days=30)
BOOKS = "examples.shop.books"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to try."""

    name: str
    title: str
    how: str
    url: str
    is_done: bool
    code: str = ""
    """A command to type, where that is how it is done."""


def first_steps(person: User, *, now: datetime) -> list[Step]:
    """The steps for this person, those they may take; empty once the card is hidden, or when they are not new."""
    if preference(person, HIDDEN, default=False) or now - person.date_joined > NEW_FOR:
        return []
    known = _known(person)
    if known["books"] is None:
        return []
    noted = preference(person, NOTED, [])
    return [
        Step(name=name, title=title, how=how, url=url, is_done=bool(known.get(name, name in noted)), code=code)
        for name, permission, title, how, url, code in _steps(known["books"], known["broken"])
        if may(person, permission)
    ]


def hide_steps(request: HttpRequest) -> HttpResponse:
    """Somebody has seen enough of the card."""
    remember(_user(request), {HIDDEN: True})
    return redirect("admin:index")


def note_page(request: HttpRequest, response: HttpResponse) -> None:
    """Somebody has opened a page of the site: a run and a row are noted with them, once."""
    page = request.resolver_match.url_name if request.resolver_match else None
    if request.method != "GET" or response.status_code != HTTPStatus.OK or not page or not page.endswith("_change"):
        return
    step = "run" if page == "runtime_runtime_change" else "row" if page in _row_pages() else ""
    person = _user(request)
    noted = preference(person, NOTED, [])
    if step and step not in noted and isinstance(person, User) and not preference(person, HIDDEN, default=False):
        remember(person, {NOTED: sorted({*noted, step})})


def _row_pages() -> Iterator[str]:
    return (f"{model._meta.app_label}_{model._meta.model_name}_change" for _room, model in tables())


def _user(request: HttpRequest) -> Any:
    return request.user  # a User: admin_view lets nobody else in


def _known(person: User) -> dict[str, Any]:
    """Which steps are taken, and the keys of the examples, in one query."""
    since = person.date_joined
    own = AuditEntry.objects.filter(actor=person, at__gte=since)
    commands = Command.objects.filter(issuer=person)
    repaired = Runtime.objects.filter(app__code=BROKEN.code, state=State.SUCCEEDED, is_dry_run=False)
    return dict(
        User.objects.filter(pk=person.pk)
        .annotate(
            books=Subquery(App.objects.filter(code=BOOKS).values("pk")),
            broken=Subquery(App.objects.filter(code=BROKEN.code).values("pk")),
            stop=Exists(commands.filter(verb=Command.Verb.STOP)),
            repair=Exists(repaired),
            schedule=Exists(own.filter(Q(object_type="registry.app"), _changed("schedule", "interval_s", "cron"))),
            channel=Exists(own.filter(action="channel.tested")),
            source=Exists(App.objects.exclude(code__startswith="examples.")),
        )
        .values("books", "broken", "stop", "repair", "schedule", "channel", "source")
        .get()
    )


def _changed(*fields: str) -> Q:
    return Q(after__has_any_keys=list(fields))


def _steps(books_pk: int, broken_pk: int | None) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Name, permission, title, how, where, and the command to type."""
    books = reverse("admin:registry_app_change", args=[books_pk])
    yield (
        *("run", "runtime.view_runtime", _("Open a run and read its log")),
        *(_("It is there while it runs, too."), reverse("admin:runtime_runtime_changelist"), ""),
    )
    yield (
        *("row", "registry.view_app", _("See what changed in a row")),
        _("The demo shop has new prices every minute; the versions of a book stand on its page."),
        *(reverse("admin:examples_shop_books_book_changelist") + "?rows=archived", ""),
    )
    yield (
        *("stop", "runtime.add_command", _("Stop a run, and start another one")),
        *(_("The buttons are on the page of the app."), books, ""),
    )
    if broken_pk is not None:
        yield (
            *("repair", "registry.change_app", _("Repair the example that is broken on purpose")),
            _("Its page says what is wrong and what to do; then enable it."),
            *(reverse("admin:registry_app_change", args=[broken_pk]), ""),
        )
    yield (
        *("schedule", "registry.change_app", _("Give an app another schedule")),
        *(_("An interval or a cron expression, in its form; the next runs are shown."), books, ""),
    )
    yield (
        *("channel", "notifications.change_channel", _("Be told when something breaks")),
        *(_("Add a channel and send it a test message."), reverse("admin:notifications_channel_changelist"), ""),
    )
    yield (
        *("source", "registry.change_app", _("Write a source of your own")),
        _("The scaffold has a test that passes; docs/sources.md says what comes next."),
        *(reverse("admin:registry_app_changelist"), "manage.py startcollector <group> <parent> <app>"),
    )
