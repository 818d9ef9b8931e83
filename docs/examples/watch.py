"""Watch all runs: prints what changes, and comes back when the connection breaks.

    DC_URL=https://collector.example.com DC_TOKEN=... python watch.py

The token is an access token with the scope `read`.
"""

from __future__ import annotations

import json
import os
import time

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

URL = os.environ["DC_URL"].rstrip("/")
ACCESS = {"Authorization": f"Bearer {os.environ['DC_TOKEN']}"}
#: Codes after which coming back does not help.
FINAL = (4400, 4401, 4403)


def watch(known: str) -> str:
    """Follow the runs until the connection ends; the version that was known last."""
    ticket = httpx.post(f"{URL}/api/v1/tickets", headers=ACCESS, json={}).raise_for_status().json()["ticket"]
    with connect(f"ws{URL.removeprefix('http')}/ws/dashboard", subprotocols=[Subprotocol("ticket")]) as socket:
        socket.send(json.dumps({"type": "ticket", "ticket": ticket}))
        socket.send(json.dumps({"type": "subscribe", "topics": ["runs"]}))
        while True:
            try:
                frame = json.loads(socket.recv(timeout=45))
            except TimeoutError:
                socket.send(json.dumps({"type": "ping"}))
                continue
            except ConnectionClosed as closed:
                if closed.rcvd and closed.rcvd.code in FINAL:
                    raise SystemExit(closed.rcvd.reason) from None
                return known
            if frame["type"] == "subscribed":
                version = frame["data"]["topics"]["runs"]
                if known and version != known:
                    print("missed something; ask for the runs again", flush=True)
                print("watching", flush=True)
                known = version
            elif frame["type"] == "changed":
                change = frame["data"]["topics"]["runs"]
                known = change["version"]
                for run_id in change["ids"].get("runs", []):
                    run = httpx.get(f"{URL}/api/v1/runtimes/{run_id}", headers=ACCESS)
                    if run.status_code == httpx.codes.OK:
                        print(run.json()["app"], run.json()["state"], flush=True)


def main() -> None:
    """Watch, and come back."""
    known = ""
    while True:
        known = watch(known)
        time.sleep(1)


if __name__ == "__main__":
    main()
