"""How the platform is: every part, one look, nobody waited for. The System page, Home and the API say it alike."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import django
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.core.clock import database_now, utc_now
from apps.core.templatetags.facts import span
from apps.runtime.machine_parts import machine_sections
from apps.runtime.node_models import Mark, Node
from apps.runtime.part_probes import PAGE_PATIENCE_S, Signs, ask_all, server_of
from apps.runtime.parts import Part, Section, Standing, worst
from apps.runtime.probing import Answer
from apps.runtime.upkeep_parts import upkeep_section
from apps.runtime.vital_signs import FRESH
from collectors import __version__

#: Somebody ticks every second; managers step in after three.
LATE_TICK = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class System:
    """All parts at one moment."""

    measured_at: datetime
    sections: tuple[Section, ...]

    @property
    def parts(self) -> list[Part]:
        """All of them."""
        return [part for section in self.sections for part in section.parts]

    @property
    def standing(self) -> Standing:
        """How it all is, together."""
        return worst(self.parts)


def read_system(*, patience_s: float = PAGE_PATIENCE_S) -> System:
    """Look. What has not answered within `patience_s` is unknown. Raises `DatabaseError` of the platform's database."""
    now, answers = database_now(), ask_all(patience_s=patience_s)
    nodes = list(Node.objects.filter(ended_at__isnull=True).order_by("host", "started_at")[:100])
    sections = (
        Section(_("Parts"), tuple(_parts(now, answers, nodes))),
        *machine_sections(nodes, now=now),
        upkeep_section(nodes, now=now),
    )
    return System(utc_now(), sections)


def _parts(now: datetime, answers: dict[str, Answer | None], nodes: list[Node]) -> Iterator[Part]:
    yield _database()
    if not _is_one_database():
        text = _("%(server)s answers.")
        step = _("Start it, or mend DC_DATABASE_DATA_URL: until then no run can store rows.")
        yield _answered("data", _("Database of collected rows"), answers["data"], text, step)
    step = _("Start the broker, or mend DC_BROKER_URL. Meanwhile managers look for work once a second.")
    yield _answered("broker", _("Broker"), answers["broker"], _("%(server)s answers."), step)
    yield _cache(answers["cache"])
    signs = answers["cache"].found if answers["cache"] and not answers["cache"].error else None
    yield _clock(now, signs)
    yield _workers(signs)
    yield from _managers(now, nodes)
    yield Part(
        name="web",
        title=_("Web"),
        standing=Standing.OK,
        said=_("This process answers: %(version)s, Python %(python)s, Django %(django)s.")
        % {"version": __version__, "python": platform.python_version(), "django": django.get_version()},
        measured_at=utc_now(),
    )


def _is_one_database() -> bool:
    places = [[entry.get(key) for key in ("ENGINE", "NAME", "HOST", "PORT")] for entry in settings.DATABASES.values()]
    return all(place == places[0] for place in places)


def _database() -> Part:
    begun = time.perf_counter()
    server = server_of("default")
    took_ms = math.ceil(1000 * (time.perf_counter() - begun))
    said = _("%(server)s answered within %(ms)s ms.") % {"server": server, "ms": took_ms}
    title = _("Database") if _is_one_database() else _("Database of the platform")
    return Part(name="database", title=title, standing=Standing.OK, said=said, measured_at=utc_now())


def _answered(name: str, title: str, answer: Answer | None, text: str, step: str) -> Part:
    if answer is None:
        said = _("It has not answered within a second.")
        return Part(name=name, title=title, standing=Standing.UNKNOWN, said=said, measured_at=utc_now(), step=step)
    if answer.error:
        said = _("It does not answer: %(reason)s") % {"reason": answer.error}
        return Part(
            name=name, title=title, standing=Standing.FAILED, said=said, measured_at=answer.measured_at, step=step
        )
    said = text % {"server": answer.found}
    return Part(name=name, title=title, standing=Standing.OK, said=said, measured_at=answer.measured_at)


def _cache(answer: Answer | None) -> Part:
    step = _(
        "Start it, or mend DC_REDIS_URL. Meanwhile pages do not update themselves and nobody's requests are counted."
    )
    return _answered("cache", _("Cache and live updates"), answer, _("It answers."), step)


def _clock(now: datetime, signs: Signs | None) -> Part:
    """Beat, broker and worker tick together, and say so in the cache; whoever ticks, the database knows when."""
    ticked_at = Mark.objects.filter(pk="clock").values_list("at", flat=True).first()
    age = now - ticked_at if ticked_at else None
    step = _("See whether manage.py beat and manage.py worker run.")
    standing, said = Standing.OK, ""
    if age is None:
        standing, said = Standing.FAILED, _("Nothing was ever started by the clock.")
    elif age > LATE_TICK:
        standing = Standing.FAILED
        said = _("The clock stands still since %(span)s: nothing that is due begins.") % {
            "span": span(age.total_seconds())
        }
    elif signs is None:
        standing = Standing.UNKNOWN
        said = _("Somebody ticks; whether beat and a worker do cannot be asked without the cache.")
    elif signs.clock_seen_at is None or utc_now() - signs.clock_seen_at >= FRESH:
        standing, said = Standing.LATE, _("Beat or the worker is silent; the managers tick in their place.")
    else:
        said, step = _("Beat, broker and a worker tick every second."), ""
    return Part(
        name="clock", title=_("Clock (beat)"), standing=standing, said=said, measured_at=ticked_at or now, step=step
    )


def _workers(signs: Signs | None) -> Part:
    title, step = _("Workers"), _("Start one with manage.py worker.")
    if signs is None:
        said = _("Workers say that they are alive in the cache, which does not answer.")
        return Part(name="workers", title=title, standing=Standing.UNKNOWN, said=said, measured_at=None)
    alive = {name: at for name, at in signs.workers.items() if utc_now() - at < FRESH}
    if alive:
        said = _("%(count)s alive: %(names)s.") % {"count": len(alive), "names": ", ".join(sorted(alive)[:10])}
        seen_at = max(alive.values())
        return Part(name="workers", title=title, standing=Standing.OK, said=said, measured_at=seen_at)
    said = _("No worker is alive: maintenance waits, and the managers tick in place of the clock.")
    last = max(signs.workers.values(), default=None)
    return Part(name="workers", title=title, standing=Standing.FAILED, said=said, measured_at=last, step=step)


def _managers(now: datetime, nodes: list[Node]) -> Iterator[Part]:
    title = _("Manager")
    if not nodes:
        said, step = _("No manager is alive, so no run begins."), _("Start one with manage.py manager.")
        yield Part(
            name="managers", title=title, standing=Standing.FAILED, said=said, measured_at=now, step=step,
            url=reverse("admin:runtime_node_changelist"),
        )  # fmt: skip
    for node in nodes:
        standing, step = Standing.OK, ""
        said = _("%(used)s of %(slots)s slots used, queues %(queues)s.") % {
            "used": node.used,
            "slots": node.slots,
            "queues": ", ".join(map(str, node.queues)) or "-",
        }
        if node.lease_until <= now:
            standing = Standing.FAILED
            said = _("It was not heard of for %(span)s.") % {"span": span((now - node.heartbeat_at).total_seconds())}
            step = _("See whether manage.py manager runs on %(host)s.") % {"host": node.host}
        elif node.broker_error:
            standing, step = Standing.LATE, _("Runs begin up to a second later until it hears the broker again.")
            said += " " + _("It cannot hear the broker: %(reason)s") % {"reason": node.broker_error}
        elif node.is_draining:
            said += " " + _("It takes no more runs.")
        yield Part(
            name="managers", title=title, standing=standing, said=said, measured_at=node.heartbeat_at, step=step,
            url=reverse("admin:runtime_node_change", args=[node.pk]), machine=node.host,
        )  # fmt: skip
