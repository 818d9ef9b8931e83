"""The main jobs, done by a program: start an app, wait for its run, read its log, read its rows.

    DC_URL=http://127.0.0.1:8000 DC_TOKEN=... python api_tour.py examples.shop.books examples.shop.books.book

A token is had from a client that an administrator made, with its id and its secret:

    curl -u "$ID:$SECRET" -d grant_type=client_credentials -d "scope=read run" "$DC_URL/oauth/token/"
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx


class Platform:
    """The operations that a program needs most."""

    def __init__(self, url: str, token: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def get(self, path: str, **query: Any) -> Any:
        """The answer as data; an error says in words what was wrong."""
        return self._checked(self.http.get(path, params=query)).json()

    def start(self, app: str) -> Any:
        """The command to poll. Sent again after a broken connection, the key keeps it from being done twice."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        for attempt in range(3):
            try:
                return self._checked(self.http.post(f"/apps/{app}/start", json={}, headers=headers)).json()
            except httpx.TransportError:
                time.sleep(2**attempt)
        raise SystemExit("The platform does not answer.")

    def all_of(self, path: str, **query: Any) -> Iterator[Any]:
        """A list, part by part."""
        cursor: dict[str, str] = {}
        while True:
            part = self.get(path, **query, **cursor)
            yield from part["items"]
            if part["next_cursor"] is None:
                return
            cursor = {"cursor": part["next_cursor"]}

    def log(self, run: str, after: int) -> Iterator[Any]:
        """The lines of a run behind line `after`, as they come."""
        with self.http.stream("GET", f"/runtimes/{run}/log", params={"after": after}) as response:
            if response.is_error:
                response.read()
            self._checked(response)
            for line in response.iter_lines():
                yield httpx.Response(200, text=line).json()

    @staticmethod
    def _checked(response: httpx.Response) -> httpx.Response:
        if response.is_error:
            raise SystemExit(f"{response.status_code}: {response.json()['detail']}")
        return response


def main(app: str, table: str) -> int:
    """Run the app, say what it says, and show what it collected. The exit code is 0 if the run succeeded."""
    platform = Platform(os.environ["DC_URL"], os.environ["DC_TOKEN"])
    command = platform.start(app)
    while command["runtime"] is None:
        time.sleep(0.2)
        command = platform.get(f"/commands/{command['id']}")
    run_id, seen = command["runtime"], 0
    while True:
        # First whether it has ended, then its lines: what is said at the very end is not missed.
        run = platform.get(f"/runtimes/{run_id}")
        for line in platform.log(run_id, seen):
            print(f"{line['at']} {line['level']:<8} {line['message']}")
            seen = line["line"]
        if run["ended_at"] is not None:
            break
        time.sleep(0.5)
    print(f"{run['state']}: {run['cause'] or 'done'} {run['rows_inserted']} rows are new.")
    for row in platform.all_of(f"/tables/{table}/rows", run=run_id, limit=100):
        print(row["values"])
    return 0 if run["state"] == "SUCCEEDED" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
