"""Rooms that cannot be used, as Django system checks: they stop nobody, and nobody overlooks them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Warning  # noqa: A004  (Django's name for it)

from collectors.discovery import installed_rooms, unreadable_folders


def check_rooms(**_: Any) -> list[CheckMessage]:
    """What is wrong with the rooms of this process."""
    return [*_broken_rooms(), *_unreadable_folders()]


def _broken_rooms() -> Iterator[CheckMessage]:
    for config in installed_rooms():
        if config.import_error:
            yield Warning(
                f"The source {config.room.info.code} cannot be used. {config.import_error}",
                hint=f"Repair it in {config.room.folder}; its app does not run until then.",
                id="registry.W001",
            )


def _unreadable_folders() -> Iterator[CheckMessage]:
    for folder in unreadable_folders():
        yield Warning(
            f"The folder {folder} cannot be listed; sources below it are missing.",
            hint="Give the user that runs the platform permission to read it.",
            id="registry.W002",
        )
