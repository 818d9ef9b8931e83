"""`manage.py web`: the admin and the pages."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.runtime.journals import platform_journal


class Command(BaseCommand):
    help = "Serve the admin, the pages and, in the embedded profile, the demo site."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.DC_WEB_HOST, help=f"default {settings.DC_WEB_HOST}")
        parser.add_argument("--port", type=int, default=settings.DC_WEB_PORT, help=f"default {settings.DC_WEB_PORT}")

    def handle(self, *_: Any, host: str, port: int, **__: Any) -> None:
        import uvicorn

        module, _dot, name = settings.ASGI_APPLICATION.rpartition(".")
        with platform_journal("web"):
            uvicorn.run(
                f"{module}:{name}",
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=settings.DC_BEHIND_PROXY,
                timeout_graceful_shutdown=5,
                # Compressing one frame anew for each of two hundred viewers costs more than sending it.
                ws_per_message_deflate=False,
                ws_max_size=64 * 1024,
            )
