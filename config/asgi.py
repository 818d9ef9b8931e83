"""The ASGI application that `manage.py web` serves."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

http = get_asgi_application()

# Consumers import models, which are there once Django is set up; settings are as well.
from django.conf import settings  # noqa: E402

from apps.core.body_cap import capped  # noqa: E402
from config.routing import websockets  # noqa: E402

application = ProtocolTypeRouter({"http": capped(http, limit=settings.DC_MAX_BODY_BYTES), "websocket": websockets})
