"""What people type into the search box, as filters.

    level:error app:shop.books since:2h "connection refused" proxy

Words must all stand in a line; quotes keep words together, and keep a qualifier from being one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.logs.models import Log
from apps.logs.search import Filters
from apps.registry.models import App

#: With more apps than this behind one word, it is too short to mean one.
MOST_APPS = 100
MOST_CHARS = 1_000

_TOKEN = re.compile(
    r"""
    \s* (?:(?P<name>[A-Za-z]+):)?
    (?: "(?P<quoted>[^"]*)" | (?P<bare>(?![A-Za-z]+:")[^\s"]\S*) | (?=\s|$) )
    """,
    re.VERBOSE,
)
_SPAN = re.compile(r"(\d+)\s*(s|min|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LEVELS = {
    **{level.name.lower(): level.value for level in Log.Level},
    "warn": Log.Level.WARNING.value,
    "err": Log.Level.ERROR.value,
    "fatal": Log.Level.CRITICAL.value,
}
_HEX = re.compile(r"[0-9a-f]{6,32}")


class BadQuery(Exception):
    """The text cannot be read as a search; the message says which part, and what would do."""


def parse(text: str, *, now: datetime) -> Filters:
    """The filters that a text means. Raises `BadQuery`."""
    if len(text) > MOST_CHARS:
        raise BadQuery(
            _("A search may have at most %(most)s characters; this one has %(count)s.")
            % {"most": f"{MOST_CHARS:,}", "count": f"{len(text):,}"}
        )
    words: list[str] = []
    found: dict[str, Any] = {}
    position, text = 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            raise BadQuery(_('A quote is opened and not closed. Close it, or leave it out: "two words".'))
        position = match.end()
        name, value = match["name"], match["quoted"] if match["quoted"] is not None else match["bare"] or ""
        if name is None:
            words += [value] if value else []
        elif name.lower() not in _QUALIFIERS:
            _check_spelling(name)
            words.append(match[0].strip())
        elif name.lower() in found:
            raise BadQuery(_("%(name)s: is there twice; a line has one.") % {"name": name})
        else:
            found[name.lower()] = _QUALIFIERS[name.lower()](_given(name, value), now)
    if "run" not in found and len(words) == 1 and re.fullmatch(r"[0-9a-f]{32}", words[0]) and _known_runs(words[0]):
        found["run"] = (words.pop(),)  # the id of a run alone means its lines
    fields = {_FIELDS[name]: value for name, value in found.items()}
    if "since" in found and "until" in found and found["since"] > found["until"]:
        raise BadQuery(_("since: is later than until:, and no line is between them."))
    return Filters(texts=tuple(words), **fields)


def _check_spelling(name: str) -> None:
    """Words with a colon are common in logs; only what looks like a slip of a qualifier is called one."""
    close = difflib.get_close_matches(name.lower(), _QUALIFIERS, n=1, cutoff=0.75)
    if close:
        raise BadQuery(
            _('There is no %(name)s: here. Did you mean %(close)s:? To search for the text, write "%(name)s:".')
            % {"name": name, "close": close[0]}
        )


def _given(name: str, value: str) -> str:
    if not value.strip():
        raise BadQuery(
            _('%(name)s: needs a value right behind the colon. To search for the text, write "%(name)s:".')
            % {"name": name}
        )
    return value.strip()


def _level(value: str, _now: datetime) -> int:
    level = _LEVELS.get(value.lower())
    if level is None:
        raise BadQuery(_("level:%(value)s is none; use debug, info, warning, error or critical.") % {"value": value})
    return level


def _apps(value: str, _now: datetime) -> tuple[int, ...]:
    """The app of this code, or else all apps whose code holds the text."""
    exact = App.objects.filter(code=value.lower()).values_list("pk", flat=True)
    ids = tuple(exact) or tuple(App.objects.filter(code__icontains=value).values_list("pk", flat=True)[: MOST_APPS + 1])
    if not ids:
        raise BadQuery(_("app:%(value)s is no app, and no part of the code of one.") % {"value": value})
    if len(ids) > MOST_APPS:
        raise BadQuery(
            _("app:%(value)s is a part of more than %(most)s codes; write more of it.")
            % {"value": value, "most": MOST_APPS}
        )
    return ids


def _runs(value: str, _now: datetime) -> tuple[str, ...]:
    value = value.lower()
    if not _HEX.fullmatch(value):
        raise BadQuery(
            _("run:%(value)s is no run; write its id, or at least the first six of its characters.") % {"value": value}
        )
    ids = _known_runs(value)
    if not ids:
        raise BadQuery(_("run:%(value)s is no run that is still known.") % {"value": value})
    return ids


def _known_runs(beginning: str) -> tuple[str, ...]:
    runs = apps.get_model("runtime", "Runtime")._default_manager.filter(pk__startswith=beginning)
    return tuple(runs.values_list("pk", flat=True)[:MOST_APPS])


def _group(value: str, _now: datetime) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", value):
        raise BadQuery(_("group: wants the 32 characters of an error group; follow a link on the page of errors."))
    return value


def _moment(value: str, now: datetime) -> datetime:
    """`2h` is two hours ago; else a date or a moment in the zone that pages show."""
    span = _SPAN.fullmatch(value.lower())
    try:
        if span:
            return now - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
        moment = parse_datetime(value)
        if moment is None:
            day = parse_date(value)
            moment = datetime.combine(day, datetime.min.time()) if day else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise BadQuery(
            _("%(value)s is no time; write 30min, 2h, 7d, 2026-03-01 or 2026-03-01T14:30.") % {"value": value}
        )
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


#: What the page says about each.
MEANINGS = {
    "level:error": gettext_lazy("that level and those above it: debug, info, warning, error, critical"),
    "app:shop.books": gettext_lazy("an app by its code, or all apps with that in their code"),
    "logger:source.shop": gettext_lazy("a logger and those below it"),
    "run:1a2b3c4d": gettext_lazy("a run, by the beginning of its id"),
    "since:2h": gettext_lazy("not older: 30min, 2h, 7d, 2026-03-01 or 2026-03-01T14:30"),
    "until:1h": gettext_lazy("not newer, written the same way"),
    "group:...": gettext_lazy("the lines of an error group; its page links here"),
}

_QUALIFIERS: dict[str, Callable[[str, datetime], Any]] = {
    "level": _level,
    "app": _apps,
    "logger": lambda value, _now: value,
    "run": _runs,
    "group": _group,
    "since": _moment,
    "until": _moment,
}
_FIELDS = {
    **{name: name for name in ("level", "logger", "group", "since", "until")},
    "app": "app_ids",
    "run": "runtime_ids",
}
