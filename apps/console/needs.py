"""Sources that this process could not load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import may
from apps.console.tables import page_errors
from apps.core.attention import SHOWN, Item, Look, Need
from apps.registry.models import App
from collectors.discovery import installed_rooms


@dataclass(frozen=True, slots=True)
class BrokenRoom:
    """A room that could not be imported, or whose own page could not."""

    app_code: str
    error: str
    is_usable: bool


def broken_rooms() -> list[BrokenRoom]:
    """Rooms whose code this process could not load."""
    broken = [
        BrokenRoom(room.room.info.code, room.import_error, is_usable=False)
        for room in installed_rooms()
        if room.import_error
    ]
    return [*broken, *(BrokenRoom(code, error, is_usable=True) for code, error in page_errors.items())]


def find_needs(look: Look) -> Iterator[Need]:
    """Each with what its import said."""
    broken = [room for room in broken_rooms() if may(look.asker, "registry.view_app", room.app_code)]
    if not broken:
        return
    pages = dict(App.objects.filter(code__in=[room.app_code for room in broken]).values_list("code", "pk"))
    yield Need(
        name="sources",
        title=_("Broken sources"),
        colour="danger",
        icon="code_off",
        step=_("Mend the file that is named, then start the platform again."),
        items=[_item(room, pages.get(room.app_code)) for room in broken[:SHOWN]],
        count=len(broken),
        url=reverse("admin:registry_app_changelist"),
    )


def _item(room: BrokenRoom, page: int | None) -> Item:
    text = _("Its own admin page was left out: %(error)s") if room.is_usable else _("It cannot be loaded: %(error)s")
    url = reverse("admin:registry_app_change", args=[page]) if page else reverse("admin:registry_app_changelist")
    return Item(subject=room.app_code, url=url, said=text % {"error": room.error})
