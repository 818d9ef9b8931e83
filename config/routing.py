"""Every address of the web process that is a WebSocket."""

from __future__ import annotations

from typing import Any, cast

from channels.routing import URLRouter
from django.urls import path, re_path

from apps.console.dashboard.consumers import DashboardConsumer
from apps.console.log_stream.consumers import RunLogConsumer

follow_log: Any = RunLogConsumer()
watch: Any = DashboardConsumer()


async def refuse(_scope: Any, receive: Any, send: Any) -> None:
    """There is nothing at this address."""
    await receive()
    await send({"type": "websocket.close"})


websockets = URLRouter(
    [
        path("ws/runtimes/<str:run_id>/log", follow_log),
        path("ws/dashboard", watch),
        re_path("", cast("Any", refuse)),
    ]
)
