"""The threads of a manager besides the main one: what waits for files, for the broker, or for a slow database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from apps.core.clock import shared_now
from apps.databases.probe import probe_requested
from apps.notifications.sending import send_due
from apps.runtime.doorbells import Listener, node_door
from apps.runtime.endings import Endings
from apps.runtime.housekeeping import Housekeeping, Job, usual_jobs
from apps.runtime.journals import journal_root
from apps.runtime.live_shipping import LiveShipping
from apps.runtime.node_models import Node
from apps.runtime.nodes import Condition, Heartbeat
from apps.runtime.reaper import Reaper
from apps.runtime.shipper import Shipper


class Crew:
    """Starts and ends them together. The callbacks are called from their threads."""

    def __init__(
        self,
        node: Node,
        *,
        queues: Collection[str],
        live: Callable[[], Collection[str]],
        condition: Callable[[str], Condition],
        on_ring: Callable[[str], None],
        on_news: Callable[[Iterable[str]], None],
        on_ended: Callable[[Iterable[str]], None],
        on_lost: Callable[[], None],
    ) -> None:
        """`condition(broker_error)` is what a heartbeat says; `on_news` hears of runs that have new lines."""
        root = journal_root()
        shipper = Shipper(root, wake=on_news)
        self.listener = Listener(node.pk, [*queues, node_door(node.pk)], on_ring)
        self.endings = Endings(root, shipper, on_ended)
        self.heartbeat = Heartbeat(node, lambda: condition(self.listener.error), on_lost)
        self._helpers: list[Heartbeat | LiveShipping | Reaper | Housekeeping] = [
            self.heartbeat,
            LiveShipping(shipper, live),
            Reaper(),
            Housekeeping(usual_jobs(root, self.endings.drain), sinks_of=root),
            # Apart, because a mail server may take its time.
            Housekeeping([Job("deliveries", lambda: send_due(now=shared_now())), Job("connections", probe_requested)]),
        ]

    def start(self) -> None:
        """Begin all of them."""
        self.listener.start()
        for thread in (self.endings, *self._helpers):
            thread.start()

    def close(self, *, wait_s: float) -> bool:
        """End them; the ends of runs are written down before, at most for so long. True when none is left."""
        is_done = self.endings.close(wait_s=wait_s)
        self.listener.close()
        for helper in self._helpers:
            helper.close()
        return is_done
