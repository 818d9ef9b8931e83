"""What the palette offers: places to go to and things to do, only those that this person may. Few queries, all bounded.

Nothing of it is kept in a cache: what was taken from somebody is not found a moment later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import may, narrow
from apps.console.navigation import sidebar
from apps.console.palette.words import TAIL, Action, Asked, understand
from apps.console.tables import visible_tables
from apps.registry.models import App
from apps.runtime.bulk_actions import KINDS
from apps.runtime.models import LIVE, Runtime, State

APPS, ACTED_ON, RUNS, PLACES, RECENT = 20, 8, 10, 12, 12
#: With so few apps found, what one can do with the first is offered as well.
FEW = 3
LEAST_OF_AN_ID = 4
ICONS = {
    Action.START: "play_arrow",
    Action.STOP: "stop",
    Action.RESTART: "replay",
    Action.ENABLE: "toggle_on",
    Action.DISABLE: "toggle_off",
}


@dataclass(frozen=True, slots=True)
class Option:
    """A line of the palette: a place, or with a verb something to do with an app."""

    key: str
    title: str
    description: str
    icon: str
    link: str = ""
    verb: str = ""
    app_id: int = 0
    question: str = ""
    """What is asked before it is done; empty: nothing."""
    answer: str = ""
    """On the button that says yes."""


def offered(request: HttpRequest, text: str, recent: Iterable[str] = ()) -> list[Option]:
    """What fits the text, things to do first; without text what this person used last, as far as they still may."""
    known = list(recent)[:RECENT]
    asked = understand(text)
    if not asked.words:
        first = {option.key: option for option in [*_recent(request, known), *_places(request, ())]}
        return list(first.values())[:PLACES]
    found = [*_actions(request, asked), *_apps(request, asked), *_runs(request, asked), *_places(request, asked.words)]
    unique = {option.key: option for option in found}
    rank = {key: place for place, key in enumerate(known)}
    return sorted(unique.values(), key=lambda option: rank.get(option.key, len(rank)))


def _actions(request: HttpRequest, asked: Asked) -> Iterator[Option]:
    if not asked.verbs:
        return
    for app in _matching(request, asked.rest)[:ACTED_ON]:
        for verb in asked.verbs:
            yield from _action(request, app, verb)


def _action(request: HttpRequest, app: Any, verb: Action | str) -> Iterator[Option]:
    if not isinstance(verb, Action):
        yield from _log(request, app, verb)
        return
    kind = KINDS[verb]
    if not may(request.user, kind.permission, app):
        return
    title, question = f"{kind.title} {app.code}", ""
    if kind.is_destructive:
        question = _("%(verb)s %(app)s?") % {"verb": kind.title, "app": app.code}
    yield Option(
        key=f"{verb}:{app.pk}",
        title=title,
        description=_standing(app),
        icon=ICONS[verb],
        verb=verb.value,
        app_id=app.pk,
        question=question,
        answer=str(kind.title),
    )


def _log(request: HttpRequest, app: Any, verb: str) -> Iterator[Option]:
    if app.newest_id is None or not may(request.user, "runtime.view_runtime", app):
        return
    link = reverse("admin:run_log_page", args=[app.newest_id])
    about = {"app": app.code}
    title = _("Tail %(app)s") % about if verb == TAIL else _("Log of %(app)s") % about
    said = _("run %(run)s, %(state)s") % {"run": app.newest_id[:8], "state": State(app.newest_state).label}
    yield Option(f"{TAIL}:{app.pk}", title, said, "article", link=link)


def _apps(request: HttpRequest, asked: Asked) -> Iterator[Option]:
    apps = list(_matching(request, asked.words)[:APPS])
    for app in apps:
        yield _app(app)
    if len(apps) <= FEW:
        for app in apps[:1]:
            verbs = (Action.START, Action.STOP, Action.DISABLE if app.is_enabled else Action.ENABLE, TAIL)
            for verb in verbs:
                yield from _action(request, app, verb)


def _app(app: Any) -> Option:
    link = reverse("admin:registry_app_change", args=[app.pk])
    return Option(f"app:{app.pk}", app.code, _standing(app), "apps", link=link)


def _standing(app: Any) -> str:
    words = [_("enabled") if app.is_enabled else _("disabled")]
    if app.newest_state in (State.QUEUED, *LIVE):
        words.append(str(State(app.newest_state).label))
    return ", ".join(words)


def _matching(request: HttpRequest, words: Iterable[str]) -> QuerySet[Any]:
    """Apps that have each of the words in their code, each with its newest run."""
    condition = Q()
    for word in words:
        condition &= Q(code__icontains=word)
    newest = Runtime.objects.filter(app=OuterRef("pk")).order_by("-queued_at", "-id")
    rows = narrow(request.user, "registry.view_app", App.objects.filter(condition))
    return rows.annotate(newest_id=Subquery(newest.values("pk")[:1]), newest_state=Subquery(newest.values("state")[:1]))


def _runs(request: HttpRequest, asked: Asked) -> Iterator[Option]:
    term = asked.words[-1]
    if len(term) < LEAST_OF_AN_ID or not set(term) <= set("0123456789abcdef"):
        return
    runs = narrow(request.user, "runtime.view_runtime", Runtime.objects.filter(pk__startswith=term))
    for run in runs.select_related("app")[:RUNS]:
        yield _run(run)


def _run(run: Runtime) -> Option:
    link = reverse("admin:runtime_runtime_change", args=[run.pk])
    title = _("Run %(run)s") % {"run": run.pk[:8]}
    return Option(f"run:{run.pk}", title, f"{run.app.code}, {run.get_state_display()}", "play_circle", link=link)


def _places(request: HttpRequest, words: Iterable[str]) -> list[Option]:
    """Entries of the menu, and tables of collected rows, that have each of the words."""
    found = []
    for section in sidebar(request):
        for item in section["items"]:
            about = str(section.get("title", ""))
            if all(word in f"{item['title']} {about}".lower() for word in words):
                found.append(Option(f"page:{item['link']}", str(item["title"]), about, item["icon"], link=item["link"]))
    known = {option.link for option in found}
    found += [
        Option(f"page:{table.url}", table.name, table.app_code, "table", link=table.url)
        for table in (visible_tables(request) if words else ())
        if table.url not in known and all(word in f"{table.name} {table.app_code}".lower() for word in words)
    ]
    return found[:PLACES]


def _recent(request: HttpRequest, keys: list[str]) -> list[Option]:
    """What the browser remembers by key alone, looked up anew in the order in which it was used."""
    split = [(key, *key.partition(":")[::2]) for key in keys]
    apps = {number for _key, kind, number in split if kind != "run" and kind != "page" and number.isdigit()}
    found: dict[str, Option] = {}
    if apps:
        for app in _matching(request, ()).filter(pk__in=[int(number) for number in apps if len(number) < 18]):
            found[f"app:{app.pk}"] = _app(app)
            for verb in (*ICONS, TAIL):
                found |= {option.key: option for option in _action(request, app, verb)}
    runs = [number for _key, kind, number in split if kind == "run"]
    if runs:
        seen = narrow(request.user, "runtime.view_runtime", Runtime.objects.filter(pk__in=runs))
        found |= {f"run:{run.pk}": _run(run) for run in seen.select_related("app")}
    if any(kind == "page" for _key, kind, _rest in split):
        found |= {option.key: option for option in _places(request, ("",))}
    return [found[key] for key in keys if key in found]
