"""The door to the Celery application, which is wired above the apps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from celery import Celery


def celery_app() -> Celery:
    """The application. Celery is imported here and not before: it costs every other command a fifth of a second."""
    app: Celery = import_string(settings.DC_CELERY_APP)
    return app
