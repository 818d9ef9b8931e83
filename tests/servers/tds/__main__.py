"""`python -m tests.servers.tds`: the stand-in, until it is interrupted; prints what DC_TEST_MSSQL_URL takes."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

from tests.servers.tds.server import standing_in

with tempfile.TemporaryDirectory() as folder, standing_in(Path(folder), databases={"master"}) as server:
    print(f"mssql://dc:Stock-1@127.0.0.1:{server.port}/master", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
