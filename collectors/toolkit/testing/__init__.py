"""Testing a source without a database and without a network.

    def test_it_collects_every_price():
        clients = CannedClients({"https://shop.example/": PAGES / "list.html"})
        context = make_context(Prices.Args(), app="shop.example.prices", clients=clients)

        outcome = Prices(context).run()

        assert outcome.complete
        assert context.records.rows(Price) == [{"sku": "A1", "price": Decimal("9.90")}]

Everything in a context has a double here that remembers what the source did with it.
"""

from collectors.toolkit.testing.captcha import CannedCaptcha
from collectors.toolkit.testing.clients import Answer, CannedClients
from collectors.toolkit.testing.context import MemoryContext, make_context
from collectors.toolkit.testing.contract import assert_contract
from collectors.toolkit.testing.database import MemoryDatabase
from collectors.toolkit.testing.memory import MemoryRecords
from collectors.toolkit.testing.parsing import assert_parses
from collectors.toolkit.testing.proxies import MemoryProxies, NumberedProvider
from collectors.toolkit.testing.recorded import NotRecorded, recorded
from collectors.toolkit.testing.recording import LogEntry, RecordingLog, RecordingProgress
from collectors.toolkit.testing.series import MemoryQueue, MemoryQueues

__all__ = [
    "Answer",
    "CannedCaptcha",
    "CannedClients",
    "LogEntry",
    "MemoryContext",
    "MemoryDatabase",
    "MemoryProxies",
    "MemoryQueue",
    "MemoryQueues",
    "MemoryRecords",
    "NotRecorded",
    "NumberedProvider",
    "RecordingLog",
    "RecordingProgress",
    "assert_contract",
    "assert_parses",
    "make_context",
    "recorded",
]
